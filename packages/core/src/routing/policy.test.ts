import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockedError, ScopeError, UsageError } from '../errors.ts'
import type { Scope } from '../wire/frames.ts'
import { KINDS, type Kind } from './detect/finding.ts'
import { lower, passageOf, reachOf, type Travelling } from './policy.ts'
import { readRules, SCOPES } from './rules.ts'

const TOKEN = `ghp_${'a1B2'.repeat(9)}`
const MAIL = 'ada@example.org'
const request = (changes: Partial<Travelling> = {}): Travelling => ({
  scope: 'market',
  models: ['acorn'],
  ...changes,
})
const passage = (rules: unknown, text: string, changes: Partial<Travelling> = {}, sent?: Kind[]) =>
  passageOf(readRules(rules), request(changes), [text], sent)
const kinds = (...args: Parameters<typeof passage>) =>
  passage(...args).redact.map(({ kind }) => kind)

describe('passageOf without rules', () => {
  it('default: beyond own devices secrets block and personal data is replaced', () => {
    for (const scope of ['friends', 'market'] as const) {
      expect(() => passage(undefined, `it is ${TOKEN}`, { scope })).toThrow(BlockedError)
      const { redact, because } = passage(undefined, `it is ${MAIL}`, { scope })
      expect(redact).toMatchObject([{ kind: 'mail', text: 0, start: 6, end: 6 + MAIL.length }])
      expect(because).toEqual(['personal data is replaced beyond your own devices'])
    }
    expect(passage(undefined, `${TOKEN} ${MAIL}`, { scope: 'own' })).toEqual({
      scope: 'own',
      because: [],
      redact: [],
    })
  })

  it('default: a refusal says what is where and what to do, and not what it is', () => {
    const ask = () => passageOf([], request(), ['Hello', `is ${TOKEN} and ${TOKEN} right?`])
    expect(ask).toThrow(ScopeError)
    expect(ask).toThrow(
      'this request holds GitHub token in message 2 at characters 4 to 43, GitHub token in message 2 ' +
        'at characters 49 to 88: secrets do not travel beyond your own devices. Take it out, or ask ' +
        'with --scope own. If it is none, let it travel: --send github-token',
    )
    try {
      ask()
    } catch (error) {
      const { found, message } = error as BlockedError
      expect(found[0]).toEqual({ kind: 'github-token', text: 1, start: 3, end: 43 })
      expect(JSON.stringify([found, message])).not.toContain(TOKEN.slice(4))
    }
  })

  it('behaviour: many places are named in part and counted', () => {
    const text = Array(30).fill(TOKEN).join('\n')
    expect(() => passage(undefined, text)).toThrow(/22 more/)
  })

  it('behaviour: a kind that the person lets travel does, and no other', () => {
    expect(kinds(undefined, `${TOKEN} ${MAIL}`, {}, ['github-token'])).toEqual(['mail'])
    expect(kinds(undefined, `${TOKEN} ${MAIL}`, {}, ['github-token', 'mail'])).toEqual([])
    expect(() => passage(undefined, `${TOKEN} ${MAIL}`, {}, ['mail'])).toThrow(BlockedError)
  })

  it('behaviour: what cannot be looked through does not leave', () => {
    const dense = 'zoo '.repeat(20_000)
    expect(() => passage(undefined, dense)).toThrow(ScopeError)
    expect(() => passage(undefined, dense)).toThrow(/could not be looked through \(TooDenseError\)/)
    // A search that fails is one that found who knows what.
    const broken = { length: 5 } as unknown as string
    expect(() => passageOf([], request(), [broken])).toThrow(ScopeError)
  })
})

describe('rules', () => {
  it('default: by model, by key and by content they lower how far a request travels', () => {
    const rules = readRules([
      { model: 'qwen*', scope: 'friends' },
      { key: 'editor', scope: 'device', why: 'the editor sees unpublished code' },
      { text: 'Project Falcon', scope: 'own' },
      { finds: 'iban', scope: 'own' },
    ])
    const reach = (changes: Partial<Travelling>) => reachOf(rules, request(changes))
    expect(reach({})).toEqual({ scope: 'market', because: [] })
    expect(reach({ models: ['file.gguf', 'Qwen3 8B'] })).toEqual({
      scope: 'friends',
      because: [
        'privacy rule 1 says: a request for the model qwen* travels no further than your friends',
      ],
    })
    expect(reach({ key: 'editor', models: ['qwen'] })).toMatchObject({
      scope: 'device',
      because: [expect.stringMatching(/qwen/), 'the editor sees unpublished code'],
    })
    expect(reach({ key: 'browser' }).scope).toBe('market')
    const content = (text: string) => passageOf(rules, request(), [text])
    expect(content('about project FALCON').scope).toBe('own')
    expect(content('to DE89370400440532013000')).toMatchObject({ scope: 'own', redact: [] })
    expect(content('about birds')).toEqual({ scope: 'market', because: [], redact: [] })
  })

  it('behaviour: what travels less far for a rule is judged by how far it then travels', () => {
    const rules = [{ finds: 'secret', scope: 'own' }]
    expect(passage(rules, TOKEN)).toMatchObject({ scope: 'own', redact: [] })
  })

  it('behaviour: own words are replaced, or block', () => {
    const text = `Falcon flies, ${MAIL} knows`
    expect(kinds([{ text: ['falcon', 'eagle'], do: 'redact' }], text).sort()).toEqual([
      'mail',
      'text',
    ])
    const blocking = [{ text: 'falcon', do: 'block', beyond: 'device' }]
    expect(() => passage(blocking, text, { scope: 'own' })).toThrow(/text that a rule names/)
    expect(passage(blocking, 'eagle', { scope: 'own' }).redact).toEqual([])
  })

  it('behaviour: a whole model or key can be blocked', () => {
    const rules = [{ key: 'editor', do: 'block' }]
    expect(() => passage(rules, 'Hello', { key: 'editor' })).toThrow(/privacy rule 1 says/)
    expect(passage(rules, 'Hello', { key: 'editor', scope: 'own' }).scope).toBe('own')
    expect(passage(rules, 'Hello').scope).toBe('market')
  })

  it('behaviour: a rule lets a kind pass that would not by itself, and gives way to a stricter one', () => {
    expect(kinds([{ finds: 'mail', do: 'pass' }], MAIL)).toEqual([])
    expect(kinds([{ finds: 'mail', do: 'pass', key: 'news' }], MAIL)).toEqual(['mail'])
    const both = [
      { finds: 'mail', do: 'pass' },
      { finds: 'mail', do: 'block' },
    ]
    expect(() => passage(both, MAIL)).toThrow(BlockedError)
    // Nor does one request change what the owner has set.
    expect(() => passage([{ finds: 'mail', do: 'block' }], MAIL, {}, ['mail'])).toThrow(
      BlockedError,
    )
    expect(kinds([{ finds: 'mail', do: 'redact' }], MAIL, {}, ['mail'])).toEqual(['mail'])
  })

  it('behaviour: no rule and no number of them makes a request travel further', () => {
    const scope = fc.constantFrom(...SCOPES)
    const rule = fc.oneof(
      fc.record({ model: fc.constantFrom('*', 'acorn', 'oak'), scope }),
      fc.record({ key: fc.constantFrom('a', 'b'), scope }),
      fc.record({ finds: fc.constantFrom('mail', 'personal', 'jwt'), scope }),
      fc.record({ text: fc.constantFrom('hello', 'ada'), scope }),
      fc.record({ finds: fc.constantFrom('mail', 'phone'), do: fc.constantFrom('pass', 'redact') }),
    )
    const text = fc.constantFrom('hello', `to ${MAIL}`, 'x')
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), scope, text, (all, asked: Scope, content) => {
        const rules = readRules(all)
        const travelling = request({ scope: asked, key: 'a' })
        const reach = reachOf(rules, travelling)
        const { scope: reached } = passageOf(rules, travelling, [content])
        expect(lower(reach.scope, asked)).toBe(reach.scope)
        expect(lower(reached, reach.scope)).toBe(reached)
        // One more rule lowers it, or leaves it.
        const { scope: fewer } = passageOf(rules.slice(1), travelling, [content])
        expect(lower(reached, fewer)).toBe(reached)
      }),
    )
  })
})

describe('readRules', () => {
  it.each([
    [{}, 'are no list'],
    [['market'], 'is no object'],
    [[{ scope: 'own' }], 'has no condition'],
    [[{ model: 'a' }], 'either a scope or something to do'],
    [[{ model: 'a', scope: 'own', do: 'block' }], 'either a scope or something to do'],
    [[{ model: 'a', scope: 'mine' }], 'scope is one of device, own, friends, market'],
    [[{ model: 'a', do: 'drop' }], 'do is one of block, redact, pass'],
    [[{ modell: 'a', scope: 'own' }], 'a field "modell" that means nothing'],
    [
      [{ finds: 'mails', scope: 'own' }],
      'finds "mails", which is none of secret, personal, ai-key',
    ],
    [[{ finds: 'text', scope: 'own' }], 'which is none of'],
    [[{ finds: 'toString', scope: 'own' }], 'which is none of'],
    [[{ finds: [], scope: 'own' }], 'finds is empty'],
    [[{ finds: 'mail', text: 'a', scope: 'own' }], 'both finds and text'],
    [[{ text: '*', do: 'block' }], 'would match everything'],
    [[{ text: [1], do: 'block' }], 'text is no text'],
    [[{ model: 'a', do: 'redact' }], 'names nothing to redact'],
    [[{ finds: 'secret', do: 'pass' }], 'kind by kind'],
    [[{ text: 'a', do: 'pass' }], 'only what it names by finds'],
    [[{ model: 'a', scope: 'own', beyond: 'own' }], 'belongs to block and redact'],
    [[{ key: '', scope: 'own' }], 'key is no text'],
    [[{ key: 'nobody', scope: 'own' }], 'no token is called so'],
    [
      [
        { model: 'a', scope: 'own' },
        { model: 1, scope: 'own' },
      ],
      'privacy rule 2 cannot be used',
    ],
  ])('behaviour: %j is refused', (rules, why) => {
    expect(() => readRules(rules, { keys: ['editor'] })).toThrow(UsageError)
    expect(() => readRules(rules, { keys: ['editor'] })).toThrow(why)
  })

  it('default: each sort and kind can be named', () => {
    const [secret, personal] = readRules([
      { finds: 'secret', scope: 'own' },
      { finds: ['personal', 'jwt'], do: 'redact', key: 'editor' },
    ])
    const all = Object.keys(KINDS).length
    expect((secret?.finds?.length ?? 0) + (personal?.finds?.length ?? 0)).toBe(all)
    expect(readRules(undefined)).toEqual([])
  })
})
