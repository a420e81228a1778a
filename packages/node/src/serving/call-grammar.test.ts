import { describe, expect, it } from 'vitest'
import { callGrammar } from './call-grammar.ts'

const tool = (parameters: object) => ({ name: 'a', parameters: { ...parameters } })

describe('callGrammar', () => {
  it('default: free text, and whole calls', () => {
    const rules = callGrammar([tool({ type: 'object', properties: { b: { type: 'integer' } } })])
    const lines = rules.split('\n')
    const names = lines.map((line) => line.split(' ::=')[0])
    expect(new Set(names).size).toBe(names.length)
    expect(lines).toContain('called ::= "<tool_call>" ws call ws "</tool_call>"')
    expect(lines).toContain('text ::= | [^<] text | "<" tag0')
    expect(lines).toContain('tag0 ::= | "<" tag0 | [^<t] text | "t" tag1')
    expect(lines).toContain('tag9 ::= | "<" tag0 | [^<>] text')
    expect(lines.at(-1)).toBe('root ::= text (called text)*')
  })

  it('behaviour: arguments that no grammar keeps are refused', () => {
    const parameters = { type: 'object', not: { required: ['a'] } }
    expect(() => callGrammar([tool(parameters)])).toThrow(
      expect.objectContaining({ name: 'UsageError' }),
    )
  })
})
