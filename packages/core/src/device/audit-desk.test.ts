import { describe, expect, it } from 'vitest'
import { filled, makeTestAnswer, TEST_PHRASE } from '../answer.fixture.ts'
import { createTestModel } from '../audit/model.fixture.ts'
import type { Model } from '../engine/engine.ts'
import { EngineError, LendingError, WireError } from '../errors.ts'
import { deriveIdentity, type Identity } from '../identity/identity.ts'
import { DEFAULT_DEADLINES } from '../lending/deadlines.ts'
import { scriptedStream } from '../mesh/messages.fixture.ts'
import {
  type AuditReply,
  type AuditRequest,
  decodeAuditReply,
  encodeAuditRequest,
} from '../wire/audit-messages.ts'
import { manifestHash } from '../wire/manifest.ts'
import { createAuditDesk } from './audit-desk.ts'

const { evidence } = await makeTestAnswer()
const [identity, asker, third, fourth] = (await Promise.all(
  [0, 2, 3, 4].map((index) => deriveIdentity(TEST_PHRASE, index)),
)) as [Identity, Identity, Identity, Identity]
const manifest = {
  files: [{ sha256: filled(32, 1), sizeBytes: 9, chunkRoot: filled(32, 2), headerBytes: 3 }],
}
const clock = { now: () => 0, after: () => () => {} }
const running = new AbortController().signal

/** A desk with a model of any vocabulary; a sequence of it may be held back. */
function createDesk(
  init: { info?: Partial<Model['info']>; before?: (signal?: AbortSignal) => Promise<void> } = {},
) {
  const test = createTestModel({ weights: 1 })
  const model: Model = {
    ...test,
    info: { ...test.info, vocabSize: 1 << 20, ...init.info },
    openSequence: async (open = {}) => {
      await init.before?.(open.signal)
      return test.openSequence(open)
    },
  }
  const file = { source: '', manifest, chunkHashes: new Uint8Array(0) }
  return createAuditDesk({
    ...{ clock, identity, deadlines: DEFAULT_DEADLINES, log: () => {} },
    pairs: { isRemoved: async () => false },
    models: { take: async () => ({ model, file }) },
  })
}

function requestOf({ certificate }: Identity): AuditRequest {
  const { lender, terms, n, ids, lpCommits, signed } = evidence
  return { certificate, lender, ...terms, n, ids, lpCommits, signed: signed! }
}

async function ask(desk = createDesk(), by = asker, signal = running): Promise<AuditReply> {
  const { stream, written } = scriptedStream([encodeAuditRequest(requestOf(by))])
  await desk.serve(stream, by.device, signal)
  expect(written).toHaveLength(1)
  return decodeAuditReply(written[0]!)
}

describe('audit desk', () => {
  it('default: replays what was signed, and says on which model', async () => {
    const reply = await ask()
    expect(reply).toMatchObject({ kind: 'replayed', profile: { engine: 'test' } })
    if (reply.kind !== 'replayed') return
    expect(reply.positions).toHaveLength(evidence.ids.length)
    expect(reply.manifestHash).toEqual(manifestHash(manifest))
  })

  it.each<[string, Partial<Model['info']>, RegExp]>([
    ['too long for the context here', { contextTokens: 11 }, /longer than the 11 tokens/],
    ['of another vocabulary', { vocabSize: 1 << 19 }, /outside the vocabulary/],
  ])('behaviour: refuses an answer that is %s', async (_, info, why) => {
    const reply = await ask(createDesk({ info }))
    expect(reply).toEqual({ kind: 'refuse', why: expect.stringMatching(why) })
  })

  it('behaviour: two replays run at once, others wait for their turn', async () => {
    const gate = Promise.withResolvers<void>()
    const both = Promise.withResolvers<void>()
    let running = 0
    let most = 0
    const before = async () => {
      running++
      most = Math.max(most, running)
      if (running === 2) both.resolve()
      await gate.promise
      running--
    }
    const desk = createDesk({ before })
    const asked = [ask(desk), ask(desk), ask(desk, third), ask(desk, fourth)]
    await both.promise
    gate.resolve()
    expect((await Promise.all(asked)).map(({ kind }) => kind)).toEqual(
      new Array(4).fill('replayed'),
    )
    expect(most).toBe(2)
  })

  it('behaviour: an engine that fails, or a lender that stops, is said without details', async () => {
    const fail = async () => {
      throw new EngineError({ what: 'the engine process died', why: '/home/somebody' })
    }
    expect(await ask(createDesk({ before: fail }))).toEqual({
      kind: 'refuse',
      why: 'the engine process died',
    })
    const stop = new AbortController()
    const before = async (signal?: AbortSignal) => {
      stop.abort(new LendingError('cancelled', { what: 'the lender stops' }))
      signal?.throwIfAborted()
    }
    expect(await ask(createDesk({ before }), asker, stop.signal)).toEqual({
      kind: 'refuse',
      why: 'the lender stops',
    })
  })

  it('behaviour: what is no request gets no word', async () => {
    const { stream, written } = scriptedStream([filled(99, 0xf6)])
    await expect(createDesk().serve(stream, asker.device, running)).rejects.toThrow(WireError)
    expect(written).toEqual([])
  })
})
