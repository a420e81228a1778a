import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filled, makeTestAnswer, TEST_TIME_MS } from '../answer.fixture.ts'
import { concat, equal, toHex, u32le } from '../bytes.ts'
import { checkOffer } from '../device/offers.ts'
import { FreeholdError } from '../errors.ts'
import { checkEvidence, type Evidence } from '../lending/evidence.ts'
import { decodeFrame, encodeFrame, type Frame, type FrameKind, type FrameOf } from './frames.ts'
import { decodeOffer, encodeOffer } from './offer.ts'
import {
  answerHash,
  answerSeed,
  firstRunningHash,
  lpCommitment,
  nextRunningHash,
  nonceCommit,
  promptHash,
  signedHash,
  type Terms,
} from './transcript.ts'

const whole = await makeTestAnswer()
const { lender, evidence, offer } = whole
const messages = whole.frames.map(encodeFrame)

/** Reads a transcript as a third party would. @returns what does not hold, or null */
async function checkTranscript(frames: readonly Frame[]): Promise<string | null> {
  const kinds: FrameKind[] = ['open', 'ready', 'request', 'tokens', 'signed', 'tokens', 'signed']
  const expected = [...kinds, 'receipt']
  if (frames.some(({ kind }, i) => kind !== expected[i])) return 'other frames'
  const [open, ready, request] = frames as [FrameOf<'open'>, FrameOf<'ready'>, FrameOf<'request'>]
  const { kind: _open, ...openBody } = open
  const { kind: _request, ...requestBody } = request
  const terms: Terms = { open: openBody, commit: ready.commit, request: requestBody }
  const read: Evidence = { ...evidence, terms, n: filled(0, 0), ids: [], lpCommits: [] }
  let cachedTokens = 0
  for (const frame of frames.slice(3)) {
    const isFirst = read.ids.length === 0
    if (frame.kind === 'tokens') {
      if ((frame.start !== null) !== isFirst) return 'a second or missing start'
      if (frame.start !== null) {
        read.n = frame.start.n
        cachedTokens = frame.start.cachedTokens
      }
      read.ids = [...read.ids, ...frame.ids]
      read.lpCommits = [...read.lpCommits, ...frame.lpCommits]
    } else if (frame.kind === 'signed') {
      const problem = await checkEvidence({ ...read, signed: frame, receipt: null })
      if (problem !== null) return problem
      read.signed = frame
    } else if (frame.kind === 'receipt') {
      // How much was cached is no part of the running hash: the receipt's word must be the same.
      if (frame.body.cachedTokens !== cachedTokens) return 'another number of cached tokens'
      return checkEvidence({ ...read, receipt: frame })
    }
  }
  return 'no receipt'
}

/** Whether a transcript whose message `at` is `changed` passes. */
async function passes(at: number, changed: Uint8Array): Promise<boolean> {
  try {
    const frame = decodeFrame(changed)
    // How long a prompt may be binds nobody afterwards: of `ready` the commitment alone is evidence.
    if (frame.kind === 'ready' && equal(frame.commit, evidence.terms.commit)) return false
    return (await checkTranscript(whole.frames.with(at, frame))) === null
  } catch (error) {
    expect(error).toBeInstanceOf(FreeholdError)
    return false
  }
}

async function offerPasses(changed: Uint8Array): Promise<boolean> {
  try {
    await checkOffer(decodeOffer(changed), lender.device, TEST_TIME_MS)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(FreeholdError)
    return false
  }
}

/** Every way to change one byte at `at`: another value, one more, one less. */
function changesOf(data: Uint8Array, at: number): Uint8Array[] {
  const head = data.subarray(0, at)
  const own = data[at] as number
  const others = [own ^ (1 << (at % 8)), (own + 1) & 0xff].filter((value) => value !== own)
  return [
    ...others.map((value) => concat(head, Uint8Array.of(value), data.subarray(at + 1))),
    concat(head, Uint8Array.of((at * 37) & 0xff), data.subarray(at)),
    concat(head, data.subarray(at + 1)),
  ]
}

describe('a signed transcript', () => {
  it('default: holds as it was sent', async () => {
    expect(await checkTranscript(messages.map(decodeFrame))).toBeNull()
    expect(await checkEvidence(evidence)).toBeNull()
    expect(await offerPasses(encodeOffer(offer))).toBe(true)
  })

  it('behaviour: no changed byte of any frame passes', async () => {
    for (const [index, data] of messages.entries()) {
      for (let at = 0; at < data.length; at++) {
        for (const changed of changesOf(data, at)) {
          if (await passes(index, changed)) {
            expect.fail(`byte ${at} of ${whole.frames[index]?.kind}: ${toHex(changed)}`)
          }
        }
      }
    }
  })

  it('behaviour: no changed byte of an offer passes', async () => {
    const data = encodeOffer(offer)
    for (let at = 0; at < data.length; at++) {
      for (const changed of changesOf(data, at)) {
        if (await offerPasses(changed)) expect.fail(`byte ${at}: ${toHex(changed)}`)
      }
    }
  })

  it('behaviour: no frame passes in the place of another, twice or not at all', async () => {
    for (const [i, data] of messages.entries()) {
      for (const j of messages.keys()) {
        if (i !== j) expect(await passes(j, data)).toBe(false)
      }
      const without = whole.frames.toSpliced(i, 1)
      await expect(checkTranscript(without).catch(String)).resolves.not.toBeNull()
    }
  })

  it('behaviour: signatures of another answer do not pass', async () => {
    const terms = { ...evidence.terms, open: { ...evidence.terms.open, reqId: filled(16, 9) } }
    expect(await checkEvidence({ ...evidence, terms })).toMatch(/running hash/)
    const request = { ...evidence.terms.request, maxTokens: 65 }
    expect(await checkEvidence({ ...evidence, terms: { ...evidence.terms, request } })).toMatch(
      /running hash/,
    )
  })
})

describe('transcript hashes', () => {
  it('default: the running hash is SHA-256 over the one before, the id and its commitment', () => {
    const [h, commit] = [filled(32, 1), filled(16, 2)]
    const expected = createHash('sha256').update(h).update(u32le(7)).update(commit).digest('hex')
    expect(toHex(nextRunningHash(h, 7, commit))).toBe(expected)
  })

  it('behaviour: the running hash depends on each token, each commitment and their order', () => {
    const run = (tokens: readonly (readonly [number, Uint8Array])[]) =>
      toHex(
        tokens.reduce(
          (h, [id, commit]) => nextRunningHash(h, id, commit),
          firstRunningHash(filled(32, 3)),
        ),
      )
    const token = fc.tuple(fc.nat(5), fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 }))
    const tokens = fc.array(token, { maxLength: 6 })
    const name = (list: readonly (readonly [number, Uint8Array])[]) =>
      list.map(([id, commit]) => `${id}:${toHex(commit)}`).join()
    fc.assert(
      fc.property(tokens, tokens, (a, b) => {
        expect(run(a) === run(b)).toBe(name(a) === name(b))
        const turned = a.toReversed()
        expect(run(a) === run(turned)).toBe(name(a) === name(turned))
      }),
    )
  })

  it('behaviour: the seed depends on both halves, the answer, the prompt and the sampler', () => {
    const { terms, n } = evidence
    const { open, request } = terms
    const sampler = { ...request.sampler, temperatureMilli: 801 }
    const seeds = [
      answerSeed(terms, n),
      answerSeed(terms, filled(32, 1)),
      answerSeed({ ...terms, open: { ...open, reqId: filled(16, 1) } }, n),
      answerSeed({ ...terms, open: { ...open, modelId: filled(32, 1) } }, n),
      answerSeed({ ...terms, request: { ...request, b: filled(32, 1) } }, n),
      answerSeed({ ...terms, request: { ...request, promptIds: [1, 300] } }, n),
      answerSeed({ ...terms, request: { ...request, sampler } }, n),
      // Neither half can stand for the other.
      answerSeed({ ...terms, request: { ...request, b: n } }, request.b),
    ]
    expect(new Set(seeds.map(toHex)).size).toBe(seeds.length)
  })

  it('behaviour: the answer’s name covers every term but the voucher', () => {
    const { terms } = evidence
    const { open, request } = terms
    const voucher = {
      channelId: filled(32, 1),
      cumulative: 1n,
      sig: filled(65, 1),
      reqId: open.reqId,
      tokens: 0,
      runningHash: filled(32, 1),
    }
    const own = toHex(answerHash(terms))
    expect(toHex(answerHash({ ...terms, request: { ...request, voucher } }))).toBe(own)
    const others: Terms[] = [
      { ...terms, commit: filled(32, 1) },
      { ...terms, open: { ...open, offerHash: filled(32, 1) } },
      { ...terms, open: { ...open, channelId: null } },
      { ...terms, open: { ...open, scope: 'friends' } },
      { ...terms, request: { ...request, stopIds: [] } },
      { ...terms, request: { ...request, maxTokens: 1 } },
      { ...terms, request: { ...request, templateHash: filled(32, 1) } },
    ]
    for (const other of others) expect(toHex(answerHash(other))).not.toBe(own)
  })

  it('behaviour: prompts that join to the same bytes are the same prompt', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3)), fc.array(fc.nat(3)), (a, b) => {
        expect(toHex(promptHash(a)) === toHex(promptHash(b))).toBe(String(a) === String(b))
      }),
    )
  })

  it('behaviour: a log-probability’s commitment opens in one place only', () => {
    const salt = filled(32, 4)
    const all = [0, 1, 2].flatMap((t) => [0, -1, -32_768].map((lp) => lpCommitment(salt, t, lp)))
    expect(new Set(all.map(toHex)).size).toBe(9)
    expect(all[0]).toHaveLength(16)
    expect(toHex(lpCommitment(filled(32, 5), 0, 0))).not.toBe(toHex(all[0] as Uint8Array))
  })

  it('behaviour: what is signed differs by answer, count and running hash', () => {
    const all = [
      signedHash(filled(32, 1), 1, filled(32, 1)),
      signedHash(filled(32, 2), 1, filled(32, 1)),
      signedHash(filled(32, 1), 2, filled(32, 1)),
      signedHash(filled(32, 1), 1, filled(32, 2)),
      nonceCommit(filled(32, 1)),
    ]
    expect(new Set(all.map(toHex)).size).toBe(all.length)
  })
})
