import { UsageError } from '@freehold/core/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { randomAt } from '../engine/sample-locally.ts'
import { spellGrammar } from './gbnf.fixture.ts'
import { patternRule } from './pattern-grammar.ts'
import { schemaGrammar } from './schema-grammar.ts'
import { SCHEMAS } from './schemas.fixture.ts'

/** Texts of a schema's grammar. */
function spell(schema: unknown, count: number, seed = 0): string[] {
  const grammar = schemaGrammar(schema)
  let t = 0
  const random = () => randomAt(seed, t++)
  return Array.from({ length: count }, () => spellGrammar(grammar, random))
}

/** All texts of the grammar are valid, and not all are the same. */
function expectValid(schema: object, count: number, seed = 0): unknown[] {
  const validator = z.fromJSONSchema(schema as never)
  return spell(schema, count, seed).map((text) => {
    const value: unknown = JSON.parse(text)
    const result = validator.safeParse(value)
    if (!result.success) throw new Error(`${text} is not of ${JSON.stringify(schema)}`)
    return value
  })
}

describe('schemaGrammar', () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    it(`default: what it allows is valid: ${name}`, () => {
      const values = expectValid(schema, 300)
      expect(new Set(values.map((value) => JSON.stringify(value))).size).toBeGreaterThan(10)
    })
  }

  it('behaviour: what it allows of any schema is valid', () => {
    const name = fc.constantFrom('a', 'ab', 'b', 'ü', 'x"y', 'z\\', '')
    const bounds = (low: string, high: string, most: number) =>
      fc
        .tuple(fc.nat(most), fc.nat(most), fc.boolean(), fc.boolean())
        .map(([a, b, hasLow, hasHigh]) => ({
          ...(hasLow ? { [low]: Math.min(a, b) } : {}),
          ...(hasHigh ? { [high]: Math.max(a, b) } : {}),
        }))
    const numbers = (type: string) =>
      fc
        .tuple(fc.integer({ min: -1200, max: 1200 }), fc.nat(1200), fc.nat(3))
        .map(([low, more, mode]) => ({
          type,
          ...(mode % 2 === 0 ? { minimum: low } : { exclusiveMinimum: low }),
          ...(mode > 1 ? { maximum: low + more + 2 } : {}),
          ...(mode === 1 ? { exclusiveMaximum: low + more + 2 } : {}),
        }))
    const { schema } = fc.letrec<{ schema: object }>((tie) => ({
      schema: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom({}, { type: 'string' }, { type: 'null' }, { type: 'boolean' }),
        fc.constantFrom({ enum: [1, 'two', null, true, 'a"\\\n'] }, { const: 'b' }),
        bounds('minLength', 'maxLength', 6).map((limits) => ({ type: 'string', ...limits })),
        numbers('integer'),
        numbers('number'),
        fc
          .tuple(tie('schema'), bounds('minItems', 'maxItems', 4))
          .map(([items, limits]) => ({ type: 'array', items, ...limits })),
        fc.tuple(tie('schema'), tie('schema')).map((anyOf) => ({ anyOf })),
        fc
          .tuple(
            fc.uniqueArray(fc.tuple(name, tie('schema'), fc.boolean()), {
              selector: ([key]) => key,
              maxLength: 4,
            }),
            fc.option(tie('schema')),
          )
          .map(([all, additionalProperties]) => ({
            type: 'object',
            properties: Object.fromEntries(all.map(([key, child]) => [key, child])),
            required: all.filter(([, , isRequired]) => isRequired).map(([key]) => key),
            ...(additionalProperties === null ? {} : { additionalProperties }),
          })),
      ),
    }))
    fc.assert(
      fc.property(schema, fc.nat(), (any, seed) => {
        expectValid(any, 10, seed)
      }),
      { numRuns: 300 },
    )
  })

  it('behaviour: constants may be lists and objects', () => {
    const values = [[1, 'two', { three: null }], { a: '"\\\n' }, 0.5]
    const texts = new Set(spell({ enum: values }, 50))
    expect([...texts].sort()).toEqual(values.map((value) => JSON.stringify(value)).sort())
    expect(spell({ const: values[1] }, 1)).toEqual([JSON.stringify(values[1])])
  })

  it('behaviour: optional properties are there or not, in every way', () => {
    const schema = {
      type: 'object',
      properties: { a: { const: 1 }, b: { const: 1 }, c: { const: 1 }, d: { const: 1 } },
      required: ['c'],
    }
    const keys = expectValid(schema, 400).map((value) => Object.keys(value as object).join(''))
    expect([...new Set(keys)].sort()).toEqual(['abc', 'abcd', 'ac', 'acd', 'bc', 'bcd', 'c', 'cd'])
    const all = expectValid({ ...schema, required: [] }, 400)
    expect(new Set(all.map((value) => Object.keys(value as object).join(''))).size).toBe(16)
  })

  it('behaviour: bounds are reached and not passed', () => {
    for (const [minimum, maximum] of [
      [0, 9],
      [7, 13],
      [-3, 5],
      [98, 102],
      [-12, -10],
      [5, 5],
    ] as const) {
      const values = spell({ type: 'integer', minimum, maximum }, 600).map(Number)
      expect(Math.min(...values)).toBe(minimum)
      expect(Math.max(...values)).toBe(maximum)
      expect(new Set(values).size).toBe(maximum - minimum + 1)
    }
  })

  it('behaviour: patterns are kept', () => {
    const patterns = [
      '^a+$',
      'b',
      '^[^"a-y]{1,3}$',
      '^(?:ab|c\\d)*$',
      '^\\S\\s?\\W$',
      '^x|y$',
      '^\\u0041[\\x42-\\x44]?.$',
      '^[\\w.-]+@[\\w-]+\\.com$',
      '^(?<year>\\d{4})-\\d\\d$',
      '^"\\\\$',
      '^[\\]^-]+?$',
      '',
    ]
    for (const pattern of patterns) {
      for (const text of spell({ type: 'string', pattern }, 100)) {
        expect(JSON.parse(text)).toMatch(new RegExp(pattern, 'u'))
      }
    }
    for (const pattern of [
      '(?=a)b',
      '(a)\\1',
      '\\bword',
      '^a$b',
      '(',
      'a{5000}',
      '\\p{L}',
      '(?<!a)b',
    ]) {
      expect(patternRule(pattern)).toBeUndefined()
    }
  })

  it('behaviour: says by name what it cannot keep, and where', () => {
    const refused: [schema: unknown, message: RegExp][] = [
      [{ type: 'number', multipleOf: 3 }, /cannot be kept: multipleOf: at #/],
      [{ properties: { a: { not: {} } } }, /not: at #\/properties\/a/],
      [{ type: 'array', uniqueItems: true }, /uniqueItems/],
      [{ if: {} }, /: if:/],
      [{ type: 'string', format: 'hostname' }, /the format "hostname"/],
      [{ type: 'string', pattern: '(?=x)' }, /the pattern "\(\?=x\)"/],
      [{ oneOf: [{ type: 'string' }, { type: 'string', maxLength: 3 }] }, /oneOf whose/],
      [{ allOf: [{}, {}] }, /allOf with more than one/],
      [{ $ref: '#/$defs/a' }, /\$ref to #\/\$defs\/a/],
      [{ $ref: 'https://example.com/schema' }, /\$ref to https/],
      [{ $ref: '#', type: 'object' }, /type beside \$ref/],
      [{ type: 'object', required: ['a'] }, /required a/],
      [{ type: 'string', maxLength: 100_000 }, /above 2000/],
      [{ type: 'integer', minimum: 3, maximum: 2 }, /these bounds/],
      [{ type: 'array', items: { type: 'strnig' } }, /the type strnig: at #\/items/],
      [{ properties: 5 }, /properties that are no object/],
      [{ enum: [] }, /no value is allowed/],
      [false, /false allows nothing/],
      ['text', /it is no schema/],
    ]
    for (const [schema, message] of refused) {
      expect(() => schemaGrammar(schema)).toThrow(message)
      expect(() => schemaGrammar(schema)).toThrow(UsageError)
    }
    let deep: object = { type: 'null' }
    for (let depth = 0; depth < 1_000; depth++) deep = { type: 'array', items: deep }
    expect(() => schemaGrammar(deep)).toThrow(/nested more than/)
  })
})
