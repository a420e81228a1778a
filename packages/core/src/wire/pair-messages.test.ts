import { encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { WireError } from '../errors.ts'
import { expectChangedBytesShow } from './changed-byte.fixture.ts'
import { decodeOwnRequest, encodeOwnRequest, MAX_OWN_BYTES } from './own-messages.ts'
import {
  decodePairMessage,
  encodePairMessage,
  MAX_PAIR_ADDRESSES,
  MAX_PAIR_BYTES,
  type PairMessage,
} from './pair-messages.ts'

const certificate = {
  ...{ owner: filled(32, 1), device: filled(32, 2), index: 0xffff, sig: filled(64, 3) },
}
const messages: PairMessage[] = [
  { kind: 'refuse', why: 'n'.repeat(200) },
  { kind: 'hello', as: 'friend' },
  { kind: 'commit', commit: filled(32, 4) },
  { kind: 'prove', nonce: filled(32, 5), proof: filled(32, 6) },
  { kind: 'reveal', nonce: filled(32, 7) },
  { kind: 'confirm' },
  { kind: 'grant', certificate: null, addresses: [] },
  { kind: 'grant', certificate, addresses: Array(MAX_PAIR_ADDRESSES).fill('a'.repeat(256)) },
  { kind: 'done' },
]

describe('pairing messages', () => {
  it('default: are read as they were written, the largest too', () => {
    for (const message of messages) {
      const data = encodePairMessage(message)
      expect(data.length).toBeLessThanOrEqual(MAX_PAIR_BYTES)
      expect(decodePairMessage(data)).toEqual(message)
      expectChangedBytesShow(data, (bytes) => encodePairMessage(decodePairMessage(bytes)))
    }
  })

  it('behaviour: what is none of them is refused', () => {
    const wrong = [[8, []], [1, [2]], [1, []], [5, [1]], [2, [filled(31, 1)]], 'hello', []]
    for (const each of wrong) expect(() => decodePairMessage(encode(each))).toThrow(WireError)
    expect(() => decodePairMessage(new Uint8Array(MAX_PAIR_BYTES + 1))).toThrow(WireError)
  })

  it('behaviour: no name of a person or a device slips in', () => {
    const named = { kind: 'hello', as: 'own', name: 'Ann' } as PairMessage
    expect(() => encodePairMessage(named)).toThrow(/no such field/)
  })
})

describe('the request of an own device', () => {
  it('default: holds its certificate alone', () => {
    const data = encodeOwnRequest({ certificate })
    expect(data.length).toBeLessThanOrEqual(MAX_OWN_BYTES)
    expect(decodeOwnRequest(data)).toEqual({ certificate })
    expectChangedBytesShow(data, (bytes) => encodeOwnRequest(decodeOwnRequest(bytes)))
    expect(() => decodeOwnRequest(encode([certificate]))).toThrow(WireError)
  })
})
