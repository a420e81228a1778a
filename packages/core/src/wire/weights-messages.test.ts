import { encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { equal } from '../bytes.ts'
import { WireError } from '../errors.ts'
import { expectChangedBytesShow } from './changed-byte.fixture.ts'
import { MAX_MODEL_CHUNKS } from './limits.ts'
import { CHUNK_BYTES } from './manifest.ts'
import {
  decodeWeightsReply,
  decodeWeightsRequest,
  encodeWeightsReply,
  encodeWeightsRequest,
  MAX_WEIGHTS_REPLY_BYTES,
  MAX_WEIGHTS_REQUEST_BYTES,
  type WeightsReply,
  type WeightsRequest,
} from './weights-messages.ts'

const requests: WeightsRequest[] = [
  { kind: 'manifest', modelId: filled(32, 1) },
  { kind: 'hashes', sha256: filled(32, 1) },
  { kind: 'chunk', sha256: filled(32, 1), index: MAX_MODEL_CHUNKS - 1 },
]
const file = { sha256: filled(32, 1), sizeBytes: 9, chunkRoot: filled(32, 2), headerBytes: 3 }
const replies: WeightsReply[] = [
  { kind: 'refuse', why: 'no' },
  { kind: 'manifest', manifest: { files: [file, file] } },
  {
    kind: 'hashes',
    sizeBytes: MAX_MODEL_CHUNKS * CHUNK_BYTES,
    chunkHashes: new Uint8Array(32 * MAX_MODEL_CHUNKS),
  },
  { kind: 'chunk', index: 0, data: new Uint8Array(CHUNK_BYTES) },
]

describe('weights messages', () => {
  it('default: are read as they were written, the largest too', () => {
    for (const request of requests) {
      const data = encodeWeightsRequest(request)
      expect(decodeWeightsRequest(data)).toEqual(request)
      expect(data.length).toBeLessThanOrEqual(MAX_WEIGHTS_REQUEST_BYTES)
    }
    for (const reply of replies) {
      const data = encodeWeightsReply(reply)
      // A deep comparison of megabytes takes seconds.
      expect(equal(encodeWeightsReply(decodeWeightsReply(data)), data)).toBe(true)
    }
  })

  it('behaviour: limits what a stranger may send', () => {
    const bad: unknown[] = [
      [3, [filled(32, 1)]],
      [1, [filled(31, 1)]],
      [2, [filled(32, 1), MAX_MODEL_CHUNKS]],
      [2, [filled(32, 1), -1]],
      [2, [filled(32, 1)]],
    ]
    for (const raw of bad) expect(() => decodeWeightsRequest(encode(raw))).toThrow(WireError)
    const long = new Uint8Array(MAX_WEIGHTS_REPLY_BYTES + 1)
    expect(() => decodeWeightsReply(long)).toThrow(/too large/)
    const chunk = encode([3, [0, new Uint8Array(CHUNK_BYTES + 1)]])
    expect(() => decodeWeightsReply(chunk)).toThrow(WireError)
  })

  it('behaviour: a changed byte is refused or says something else', () => {
    for (const request of requests) {
      expectChangedBytesShow(encodeWeightsRequest(request), (data) =>
        encodeWeightsRequest(decodeWeightsRequest(data)),
      )
    }
  })
})
