import { decode, encode } from 'cborg'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeTestAnswer } from '../answer.fixture.ts'
import { WireError } from '../errors.ts'
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameKind,
  type FrameOf,
  type Refusal,
} from './frames.ts'
import {
  MAX_ANSWER_TOKENS,
  MAX_FRAME_BYTES,
  MAX_PROMPT_TOKENS,
  MAX_STOP_IDS,
  MAX_TEMPERATURE_MILLI,
  MAX_TOKENS_PER_FRAME,
  MAX_VOCABULARY,
} from './limits.ts'

const blob = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const hash = blob(32)
const id = fc.nat(MAX_VOCABULARY - 1)
const count = fc.nat(MAX_ANSWER_TOKENS)
const amount = fc.bigInt(0n, 2n ** 128n - 1n)
const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: null })
const words = (maxLength: number) =>
  fc
    .string({ unit: 'grapheme', maxLength })
    .map((text) => text.replace(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, ' ').slice(0, maxLength))
    .filter((text) => text.isWellFormed())
const profile = fc.record({
  engine: words(96),
  backend: fc.constantFrom('cpu', 'metal', 'cuda', 'vulkan', 'wasm', 'webgpu'),
  isa: words(48),
  kvType: fc.constantFrom('f16', 'f32', 'q8_0'),
  flashAttn: fc.boolean(),
  relaxedSimd: fc.boolean(),
})
const voucher = {
  channelId: hash,
  cumulative: amount,
  sig: blob(65),
  reqId: blob(16),
  tokens: count,
  runningHash: hash,
}
const refusals: Refusal[] = ['busy', 'engine', 'expired-offer', 'limit', 'model', 'payment']

const frames: { [K in FrameKind]: fc.Arbitrary<Omit<FrameOf<K>, 'kind'>> } = {
  open: fc.record({
    offerHash: hash,
    modelId: hash,
    reqId: blob(16),
    channelId: maybe(hash),
    scope: fc.constantFrom('device', 'own', 'friends', 'market'),
  }),
  ready: fc.record({ commit: hash, maxPromptTokens: fc.nat(MAX_PROMPT_TOKENS) }),
  refuse: fc.record({
    reason: fc.constantFrom(...refusals, 'protocol' as const, 'standing' as const, 'deadline'),
    message: words(200),
  }),
  request: fc.record({
    promptIds: fc.array(id, { maxLength: 40 }),
    templateHash: hash,
    sampler: fc.record({
      id: fc.constant('gumbel-sha256/1'),
      temperatureMilli: fc.nat(MAX_TEMPERATURE_MILLI),
    }),
    maxTokens: count,
    stopIds: fc.array(id, { maxLength: MAX_STOP_IDS }),
    b: hash,
    voucher: maybe(fc.record(voucher)),
  }),
  progress: fc.record({ promptTokensDone: fc.nat(MAX_PROMPT_TOKENS) }),
  tokens: fc.record({
    start: maybe(fc.record({ n: hash, cachedTokens: fc.nat(MAX_PROMPT_TOKENS) })),
    ids: fc.array(id, { maxLength: MAX_TOKENS_PER_FRAME }),
    lpCommits: fc.array(blob(16), { maxLength: MAX_TOKENS_PER_FRAME }),
  }),
  signed: fc.record({ count, runningHash: hash, sig: blob(64) }),
  voucher: fc.record(voucher),
  cancel: fc.constant({}),
  receipt: fc.record({
    body: fc.record({
      answerHash: hash,
      n: hash,
      count,
      cachedTokens: fc.nat(MAX_PROMPT_TOKENS),
      runningHash: hash,
      finish: fc.constantFrom('eos', 'stop', 'length', 'abort'),
      profile,
      offerHash: hash,
      channelId: maybe(hash),
      due: amount,
    }),
    sig: blob(64),
    lpSalt: hash,
    lps: fc.array(fc.integer({ min: -32_768, max: 0 }), { maxLength: 40 }),
  }),
  audited: fc.record({ verdict: fc.constantFrom('pass', 'fail', 'pending') }),
  alive: fc.constant({}),
}

const anyFrame = fc.oneof(
  ...Object.entries(frames).map(([kind, arbitrary]) =>
    (arbitrary as fc.Arbitrary<object>).map((fields) => ({ kind, ...fields }) as Frame),
  ),
)

/** Encodes a frame whose parts were changed by hand, past the encoder's own checks. */
function tamper(frame: Frame, change: (fields: unknown[]) => void): Uint8Array {
  const raw = decode(encodeFrame(frame)) as [number, unknown[]]
  change(raw[1])
  return encode(raw)
}

const { frames: whole } = await makeTestAnswer()
const sample = <K extends FrameKind>(kind: K): FrameOf<K> =>
  whole.find((frame) => frame.kind === kind) as FrameOf<K>

describe('frames', () => {
  it('default: a whole answer is read as it was written', () => {
    expect(whole.map((frame) => decodeFrame(encodeFrame(frame)))).toEqual(whole)
  })

  for (const [kind, arbitrary] of Object.entries(frames)) {
    it(`behaviour: every ${kind} is read as it was written`, () => {
      fc.assert(
        fc.property(arbitrary as fc.Arbitrary<object>, (fields) => {
          const frame = { kind, ...fields } as Frame
          expect(decodeFrame(encodeFrame(frame))).toEqual(frame)
        }),
        { numRuns: 60 },
      )
    })
  }

  it('behaviour: a changed frame is refused or is another frame, never the same one', () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), fc.integer({ min: 1, max: 255 }), (frame, at, mask) => {
        const data = encodeFrame(frame)
        const changed = data.slice()
        changed[at % data.length]! ^= mask
        try {
          expect(encodeFrame(decodeFrame(changed))).toEqual(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('behaviour: any bytes are a frame or a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
        try {
          expect(encodeFrame(decodeFrame(data))).toEqual(data)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('behaviour: refuses an unknown kind, a bare kind and a third part', () => {
    const [kind, fields] = decode(encodeFrame(sample('ready'))) as [number, unknown[]]
    expect(decodeFrame(encode([kind, fields]))).toEqual(sample('ready'))
    for (const raw of [[99, fields], [kind], [kind, fields, null], kind, { kind }, []]) {
      expect(() => decodeFrame(encode(raw))).toThrow(WireError)
    }
  })

  it('behaviour: what the protocol does not name is not sent', () => {
    const frames = [
      { kind: 'cancel', userAgent: 'node' },
      { kind: 'audited', verdict: 'pass', path: '/home/ada' },
      {
        kind: 'tokens',
        start: { ...{ n: new Uint8Array(32), cachedTokens: 0 }, host: 'a' },
        ids: [],
        lpCommits: [],
      },
    ]
    for (const frame of frames) {
      expect(() => encodeFrame(frame as unknown as Frame)).toThrow(/no such field/)
    }
  })

  it('behaviour: refuses a frame that is too large before it reads it', () => {
    expect(() => decodeFrame(new Uint8Array(MAX_FRAME_BYTES + 1))).toThrow(/too large/)
    expect(() => decodeFrame(new Uint8Array(MAX_FRAME_BYTES))).not.toThrow(/too large/)
  })

  it('behaviour: the longest request and the longest receipt fit', () => {
    const promptIds = new Array<number>(MAX_PROMPT_TOKENS).fill(MAX_VOCABULARY - 1)
    const request = { ...sample('request'), promptIds }
    expect(decodeFrame(encodeFrame(request))).toEqual(request)
    expect(() => encodeFrame({ ...request, promptIds: [...promptIds, 0] })).toThrow(WireError)
    const lps = new Array<number>(MAX_ANSWER_TOKENS).fill(-32_768)
    const receipt = { ...sample('receipt'), lps }
    expect(decodeFrame(encodeFrame(receipt))).toEqual(receipt)
  })

  const long = (size: number) => new Array<number>(size).fill(1)
  const limits: Record<string, [kind: FrameKind, field: number, value: (over: number) => unknown]> =
    {
      'prompt tokens': ['request', 0, (over) => long(MAX_PROMPT_TOKENS + over)],
      'token ids of a prompt': ['request', 0, (over) => [MAX_VOCABULARY - 1 + over]],
      temperature: ['request', 2, (over) => [0, MAX_TEMPERATURE_MILLI + over]],
      'answer tokens': ['request', 3, (over) => MAX_ANSWER_TOKENS + over],
      'stop ids': ['request', 4, (over) => long(MAX_STOP_IDS + over)],
      'longest prompt': ['ready', 1, (over) => MAX_PROMPT_TOKENS + over],
      progress: ['progress', 0, (over) => MAX_PROMPT_TOKENS + over],
      'tokens in a frame': ['tokens', 1, (over) => long(MAX_TOKENS_PER_FRAME + over)],
      'token ids of an answer': ['tokens', 1, (over) => [MAX_VOCABULARY - 1 + over]],
      'signed tokens': ['signed', 0, (over) => MAX_ANSWER_TOKENS + over],
      'log-probabilities': ['receipt', 3, (over) => long(MAX_ANSWER_TOKENS + over)],
      'a log-probability': ['receipt', 3, (over) => [32_768 + over]],
      'words of a refusal': ['refuse', 1, (over) => 'x'.repeat(200 + over)],
      'kinds of refusal': ['refuse', 0, (over) => 9 + over],
      'paid tokens': ['voucher', 4, (over) => MAX_ANSWER_TOKENS + over],
      'the size of a signature': ['voucher', 2, (over) => new Uint8Array(65 + over)],
      'the size of a request id': ['open', 2, (over) => new Uint8Array(16 + over)],
      scopes: ['open', 4, (over) => 3 + over],
      verdicts: ['audited', 0, (over) => 2 + over],
    }
  const others: Partial<Record<FrameKind, Frame>> = {
    progress: { kind: 'progress', promptTokensDone: 0 },
    refuse: { kind: 'refuse', reason: 'busy', message: '' },
    audited: { kind: 'audited', verdict: 'pass' },
    alive: { kind: 'alive' },
    voucher: {
      kind: 'voucher',
      channelId: new Uint8Array(32),
      cumulative: 1n,
      sig: new Uint8Array(65),
      reqId: new Uint8Array(16),
      tokens: 0,
      runningHash: new Uint8Array(32),
    },
  }
  for (const [name, [kind, field, value]] of Object.entries(limits)) {
    it(`behaviour: limits ${name}`, () => {
      const frame = others[kind] ?? (sample(kind) as Frame)
      const at = (over: number) =>
        tamper(frame, (fields) => {
          fields[field] = value(over)
        })
      expect(decodeFrame(at(0)).kind).toBe(kind)
      expect(() => decodeFrame(at(1))).toThrow(WireError)
    })
  }

  it('behaviour: a refusal cannot write to the terminal', () => {
    const data = tamper({ kind: 'refuse', reason: 'busy', message: '' }, (fields) => {
      fields[1] = '\u001b[2J'
    })
    expect(() => decodeFrame(data)).toThrow(WireError)
  })
})
