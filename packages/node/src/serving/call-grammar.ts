import { schemaGrammar } from './schema-grammar.ts'
import { CALL_CLOSE, CALL_OPEN, callSchema, type ToolSpec } from './tools.ts'

/**
 * GBNF of a text in which each call that is opened is a whole call of one of `tools`; all other text
 * is free.
 * @throws UsageError when the arguments of a tool cannot be kept by a grammar
 */
export function callGrammar(tools: readonly ToolSpec[]): string {
  return [
    schemaGrammar(callSchema(tools)).replace(/^root ::=/m, 'call ::='),
    `called ::= "${CALL_OPEN}" ws call ws "${CALL_CLOSE}"`,
    ...textWithout(CALL_OPEN),
    'root ::= text (called text)*',
  ].join('\n')
}

/** Rules of `text`, which never has `tag` in it: one rule for each letter of it that was read. */
function textWithout(tag: string): string[] {
  const [first = '', ...letters] = tag
  const rest = letters.map((letter, index) => {
    const next = index + 1 < letters.length ? ` | "${letter}" tag${index + 1}` : ''
    return `tag${index} ::= | "${first}" tag0 | [^${first}${letter}] text${next}`
  })
  return [`text ::= | [^${first}] text | "${first}" tag0`, ...rest]
}
