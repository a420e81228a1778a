import { decode, encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { WireError } from '../errors.ts'
import { expectChangedBytesShow } from './changed-byte.fixture.ts'
import {
  type ChannelReply,
  type ChannelRequest,
  decodeChannelReply,
  decodeChannelRequest,
  encodeChannelReply,
  encodeChannelRequest,
} from './channel-messages.ts'
import { type Manifest, manifestHash } from './manifest.ts'

const request: ChannelRequest = {
  config: {
    payer: filled(20, 1),
    signer: filled(20, 2),
    payee: filled(20, 3),
    delay: 172_800,
    flags: 1,
    salt: filled(32, 4),
  },
  leave: { amount: 5n, validAfter: 0, validBefore: 9, signature: filled(65, 6) },
  voucher: {
    channelId: filled(32, 7),
    cumulative: 2n ** 128n - 1n,
    sig: filled(65, 8),
    reqId: filled(16, 9),
    tokens: 3,
    runningHash: filled(32, 10),
  },
}
const reply: ChannelReply = {
  result: 'refused',
  why: 'no',
  transaction: filled(32, 1),
  relayFee: 7n,
  highest: { cumulative: 8n, signature: filled(65, 2) },
}

describe('channel messages', () => {
  it('default: are read as they were written', () => {
    const none = { config: null, leave: null, voucher: null }
    for (const parts of [request, none, { ...none, voucher: request.voucher }]) {
      expect(decodeChannelRequest(encodeChannelRequest(parts))).toEqual(parts)
    }
    for (const parts of [
      reply,
      { ...reply, result: 'ok' as const, transaction: null, highest: null },
    ]) {
      expect(decodeChannelReply(encodeChannelReply(parts))).toEqual(parts)
    }
  })

  it('behaviour: limits what a stranger may send', () => {
    const raw = () => decode(encodeChannelRequest(request)) as unknown[][]
    const send = (change: (rows: unknown[][]) => void) => {
      const rows = raw()
      change(rows)
      return () => decodeChannelRequest(encode(rows))
    }
    expect(send(() => {})).not.toThrow()
    const bad: ((rows: unknown[][]) => void)[] = [
      (rows) => (rows[0]![3] = 30 * 24 * 3_600 + 1),
      (rows) => (rows[0]![4] = 2),
      (rows) => (rows[0]![0] = filled(21, 0)),
      (rows) => (rows[1]![3] = filled(66, 0)),
      (rows) => rows.push([]),
      (rows) => rows.pop(),
    ]
    for (const change of bad) expect(send(change)).toThrow(WireError)
    expect(() => decodeChannelRequest(new Uint8Array(4_097))).toThrow(/too large/)
    const words = encode([1, 'x'.repeat(201), null, new Uint8Array(16)])
    expect(() => decodeChannelReply(words)).toThrow(WireError)
  })

  it('behaviour: a changed byte is refused or says something else', () => {
    expectChangedBytesShow(encodeChannelRequest(request), (data) =>
      encodeChannelRequest(decodeChannelRequest(data)),
    )
  })
})

describe('manifest', () => {
  const file = { sha256: filled(32, 1), sizeBytes: 9, chunkRoot: filled(32, 2), headerBytes: 3 }

  it('default: its hash covers each file and their order', () => {
    const manifests: Manifest[] = [
      { files: [file] },
      { files: [file, file] },
      { files: [file, { ...file, sizeBytes: 8 }] },
      { files: [{ ...file, sizeBytes: 8 }, file] },
      { files: [{ ...file, headerBytes: 4 }] },
      { files: [] },
    ]
    const hashes = manifests.map((manifest) => manifestHash(manifest).join())
    expect(new Set(hashes).size).toBe(manifests.length)
  })
})
