import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asNamePart, formatModelName, type ModelName, parseModelName, pickTag } from './name.ts'

const first = fc.constantFrom(...'abzAZ059_')
const rest = fc.string({ unit: fc.constantFrom(...'abzAZ059._-'), maxLength: 79 })
const part = fc.tuple(first, rest).map(([a, b]) => a + b)
const port = fc.integer({ min: 1, max: 65_535 }).map((port) => `:${port}`)
const host = fc
  .tuple(
    fc.constantFrom(...'abZ9'),
    fc.string({ unit: fc.constantFrom(...'aZ9.-'), maxLength: 70 }),
  )
  .chain(([a, b]) => fc.option(port, { nil: '' }).map((port) => a + b + port))
  .filter((host) => !/huggingface|ollama/i.test(host))
const digest = fc.string({
  unit: fc.constantFrom(...'0123456789abcdef'),
  minLength: 64,
  maxLength: 64,
})
const name: fc.Arbitrary<ModelName> = fc.record({
  host,
  namespace: part,
  model: part,
  tag: fc.option(part),
  digest: fc.option(digest),
})

describe('parseModelName', () => {
  it('default: what is formatted is parsed to the same name', () => {
    fc.assert(
      fc.property(name, (name) => {
        expect(parseModelName(formatModelName(name))).toEqual(name)
      }),
    )
  })

  it.each([
    ['llama3.2', 'local', 'library', 'llama3.2', null],
    ['llama3.2:1b', 'local', 'library', 'llama3.2', '1b'],
    ['me/birch', 'local', 'me', 'birch', null],
    ['hf.co/user/repo:q8_0', 'hf.co', 'user', 'repo', 'q8_0'],
    ['HuggingFace.co/user/repo', 'hf.co', 'user', 'repo', null],
    ['registry.ollama.ai/library/qwen3:0.6b', 'ollama.com', 'library', 'qwen3', '0.6b'],
    ['localhost:5000/a/b:c', 'localhost:5000', 'a', 'b', 'c'],
  ])('behaviour: %s fills in what it does not say', (text, host, namespace, model, tag) => {
    expect(parseModelName(text)).toEqual({ host, namespace, model, tag, digest: null })
  })

  it.each([
    '',
    ':tag',
    '/model',
    'a//b',
    'a/b/c/d',
    '../etc/passwd',
    'a/../b',
    '.hidden',
    'model:',
    'a:b:c',
    'model@sha256:12',
    `model@sha256:${'0'.repeat(64)}@sha256:${'0'.repeat(64)}`,
    'x'.repeat(81),
    `model:${'x'.repeat(81)}`,
    'What is a voucher?',
    'a\\b',
    'a\0b',
  ])('behaviour: %j is no name', (text) => {
    expect(() => parseModelName(text)).toThrow(expect.objectContaining({ name: 'UsageError' }))
  })

  it('behaviour: no text makes a name that leaves its folder', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseModelName(asNamePart(text))).not.toThrow()
        expect(asNamePart(text)).not.toMatch(/[/\\:@]|^\./)
      }),
    )
  })
})

describe('pickTag', () => {
  const of = (tag: string) => ({ name: parseModelName(`hf.co/u/r:${tag}`) })

  it('default', () => {
    const found = ['Q2_K', 'Q4_K_M', 'latest'].map(of)
    expect(pickTag(found, null)?.name.tag).toBe('latest')
    expect(pickTag(found.slice(0, 2), null)?.name.tag).toBe('Q4_K_M')
    expect(pickTag(found.slice(0, 1), null)?.name.tag).toBe('Q2_K')
    expect(pickTag(found, 'q2_k')?.name.tag).toBe('Q2_K')
    expect(pickTag(found, 'Q8_0')).toBeUndefined()
  })
})
