import { decode, encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { filled, makeTestAnswer } from '../answer.fixture.ts'
import { equal } from '../bytes.ts'
import { WireError } from '../errors.ts'
import {
  type AuditReply,
  type AuditRequest,
  decodeAuditReply,
  decodeAuditRequest,
  encodeAuditReply,
  encodeAuditRequest,
  MAX_AUDIT_REPLY_BYTES,
  MAX_AUDIT_REQUEST_BYTES,
} from './audit-messages.ts'
import { expectChangedBytesShow } from './changed-byte.fixture.ts'
import { MAX_ANSWER_TOKENS, MAX_PROMPT_TOKENS, MAX_VOCABULARY } from './limits.ts'

const { evidence, offer } = await makeTestAnswer()
const { lender, terms, n, ids, lpCommits, signed } = evidence
const { certificate } = offer
const request: AuditRequest = { certificate, lender, ...terms, n, ids, lpCommits, signed: signed! }
const reply: AuditReply = {
  kind: 'replayed',
  manifestHash: filled(32, 1),
  profile: offer.models[0]!.profile,
  seconds: 0.125,
  positions: [
    { margin: 0, gap: 1 / 3, lpMilli: 0 },
    { margin: Infinity, gap: Number.MIN_VALUE, lpMilli: -32_768 },
  ],
}

describe('audit messages', () => {
  it('default: are read as they were written, every number to the last bit', () => {
    expect(decodeAuditRequest(encodeAuditRequest(request))).toEqual(request)
    for (const message of [reply, { kind: 'refuse' as const, why: 'no' }]) {
      expect(decodeAuditReply(encodeAuditReply(message))).toEqual(message)
    }
  })

  it('behaviour: hold nothing that opens a log-probability', () => {
    const data = Buffer.from(encodeAuditRequest(request))
    const { lpSalt, sig } = evidence.receipt!
    expect(data.includes(Buffer.from(lpSalt))).toBe(false)
    expect(data.includes(Buffer.from(sig))).toBe(false)
    expect(data.includes(Buffer.from(lpCommits[0]!))).toBe(true)
  })

  it('behaviour: the longest answer fits', () => {
    const longest: AuditRequest = {
      ...request,
      request: {
        ...request.request,
        promptIds: new Array<number>(MAX_PROMPT_TOKENS).fill(MAX_VOCABULARY - 1),
      },
      ids: new Array<number>(MAX_ANSWER_TOKENS).fill(MAX_VOCABULARY - 1),
      lpCommits: new Array<Uint8Array>(MAX_ANSWER_TOKENS).fill(filled(16, 1)),
    }
    const asked = encodeAuditRequest(longest)
    expect(equal(encodeAuditRequest(decodeAuditRequest(asked)), asked)).toBe(true)
    const position = { margin: 1 / 3, gap: 1 / 3, lpMilli: -32_768 }
    const positions = new Array<typeof position>(MAX_ANSWER_TOKENS).fill(position)
    const said = encodeAuditReply({ ...reply, positions })
    expect(equal(encodeAuditReply(decodeAuditReply(said)), said)).toBe(true)
  })

  it('behaviour: limits what another device may send', () => {
    const voucher = {
      ...{ channelId: filled(32, 1), cumulative: 1n, sig: filled(65, 1) },
      ...{ reqId: filled(16, 1), tokens: 1, runningHash: filled(32, 1) },
    }
    const paid = { ...request, request: { ...request.request, voucher } }
    expect(() => decodeAuditRequest(encodeAuditRequest(paid))).toThrow(/no part of an audit/)
    expect(() => decodeAuditRequest(new Uint8Array(MAX_AUDIT_REQUEST_BYTES + 1))).toThrow(
      /too large/,
    )
    expect(() => decodeAuditReply(new Uint8Array(MAX_AUDIT_REPLY_BYTES + 1))).toThrow(/too large/)
    const measureOf = (value: number) => {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setFloat64(0, value)
      return bytes
    }
    const send = (seconds: Uint8Array) => {
      const raw = decode(encodeAuditReply(reply)) as [number, unknown[]]
      raw[1][2] = seconds
      return () => decodeAuditReply(encode(raw))
    }
    expect(send(measureOf(1))).not.toThrow()
    for (const value of [-1, -0, Number.NaN, -Infinity]) {
      expect(send(measureOf(value))).toThrow(WireError)
      expect(() => encodeAuditReply({ ...reply, seconds: value })).toThrow(WireError)
    }
    expect(send(filled(7, 0))).toThrow(WireError)
  })

  it('behaviour: a changed byte is refused or says something else', () => {
    expectChangedBytesShow(encodeAuditRequest(request), (data) =>
      encodeAuditRequest(decodeAuditRequest(data)),
    )
    expectChangedBytesShow(encodeAuditReply(reply), (data) =>
      encodeAuditReply(decodeAuditReply(data)),
    )
  })
})
