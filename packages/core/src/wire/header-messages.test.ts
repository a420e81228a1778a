import { encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { equal } from '../bytes.ts'
import { WireError } from '../errors.ts'
import { expectChangedBytesShow } from './changed-byte.fixture.ts'
import {
  decodeHeaderReply,
  decodeHeaderRequest,
  encodeHeaderReply,
  encodeHeaderRequest,
  type HeaderReply,
  type HeaderRequest,
  MAX_HEADER_REPLY_BYTES,
  MAX_HEADER_REQUEST_BYTES,
} from './header-messages.ts'
import { MAX_HEADER_CHUNKS, MAX_MODEL_CHUNKS } from './limits.ts'
import { CHUNK_BYTES } from './manifest.ts'

const request: HeaderRequest = {
  modelId: filled(32, 1),
  manifestHash: filled(32, 2),
  chunk: MAX_HEADER_CHUNKS - 1,
}
const file = { sha256: filled(32, 1), sizeBytes: 9, chunkRoot: filled(32, 2), headerBytes: 3 }
const replies: HeaderReply[] = [
  { kind: 'refuse', why: 'no' },
  {
    kind: 'manifest',
    manifest: { files: [file] },
    chunkHashes: new Uint8Array(32 * MAX_MODEL_CHUNKS),
  },
  { kind: 'chunk', index: 0, data: new Uint8Array(CHUNK_BYTES) },
]

describe('header messages', () => {
  it('default: are read as they were written, the largest too', () => {
    for (const message of [request, { ...request, chunk: null }]) {
      expect(decodeHeaderRequest(encodeHeaderRequest(message))).toEqual(message)
    }
    for (const reply of replies) {
      const data = encodeHeaderReply(reply)
      const again = decodeHeaderReply(data)
      expect(again.kind).toBe(reply.kind)
      // A deep comparison of megabytes takes seconds.
      expect(equal(encodeHeaderReply(again), data)).toBe(true)
    }
  })

  it('behaviour: limits what a stranger may send', () => {
    const bad: unknown[] = [
      [filled(32, 1), filled(32, 2), MAX_HEADER_CHUNKS],
      [filled(32, 1), filled(32, 2), -1],
      [filled(32, 1), filled(31, 2), 0],
      [filled(32, 1), filled(32, 2)],
      [filled(32, 1), filled(32, 2), 0, 0],
    ]
    for (const raw of bad) expect(() => decodeHeaderRequest(encode(raw))).toThrow(WireError)
    expect(() => decodeHeaderRequest(new Uint8Array(MAX_HEADER_REQUEST_BYTES + 1))).toThrow(
      /too large/,
    )
    const worse: unknown[] = [
      [3, []],
      [0, ['x'.repeat(201)]],
      [1, [[[]], new Uint8Array(32 * MAX_MODEL_CHUNKS + 1)]],
      [2, [0, new Uint8Array(CHUNK_BYTES + 1)]],
      [2, [MAX_HEADER_CHUNKS, new Uint8Array(1)]],
      [2],
    ]
    for (const raw of worse) expect(() => decodeHeaderReply(encode(raw))).toThrow(WireError)
    expect(() => decodeHeaderReply(new Uint8Array(MAX_HEADER_REPLY_BYTES + 1))).toThrow(/too large/)
  })

  it('behaviour: a changed byte is refused or says something else', () => {
    const small: HeaderReply = { kind: 'chunk', index: 3, data: Uint8Array.of(1, 2, 3) }
    expectChangedBytesShow(encodeHeaderRequest(request), (data) =>
      encodeHeaderRequest(decodeHeaderRequest(data)),
    )
    expectChangedBytesShow(encodeHeaderReply(small), (data) =>
      encodeHeaderReply(decodeHeaderReply(data)),
    )
  })
})
