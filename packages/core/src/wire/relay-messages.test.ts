import { decode, encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { WireError } from '../errors.ts'
import { expectChangedBytesShow } from './changed-byte.fixture.ts'
import { makeRelayOrders } from './relay-messages.fixture.ts'
import {
  decodeRelayReply,
  decodeRelayRequest,
  encodeRelayReply,
  encodeRelayRequest,
  MAX_RELAY_BYTES,
  MAX_SETTLED_FIRST,
  type RelayReply,
  type RelayRequest,
} from './relay-messages.ts'

const { config, orders } = makeRelayOrders()
const row = { config, cumulative: 2n ** 128n - 1n, signature: filled(65, 5) }
const requests: RelayRequest[] = orders.map((order) => ({
  chainId: 31_337,
  house: filled(20, 6),
  settleFirst: new Array<typeof row>(MAX_SETTLED_FIRST).fill(row),
  order,
}))
const replies: RelayReply[] = [
  { kind: 'refuse', why: 'no', leastFee: null },
  { kind: 'refuse', why: 'gas is dear', leastFee: 9n },
  { kind: 'submitted', transaction: filled(32, 7) },
]

describe('relay messages', () => {
  it('default: are read as they were written, the largest too', () => {
    expect(new Set(orders.map(({ kind }) => kind)).size).toBe(7)
    for (const request of requests) {
      const data = encodeRelayRequest(request)
      expect(data.length).toBeLessThan(MAX_RELAY_BYTES)
      expect(decodeRelayRequest(data)).toEqual(request)
    }
    for (const reply of replies) expect(decodeRelayReply(encodeRelayReply(reply))).toEqual(reply)
  })

  it('behaviour: limits what a stranger may send', () => {
    const [first] = requests as [RelayRequest]
    const send = (change: (parts: unknown[]) => void) => {
      const parts = decode(encodeRelayRequest(first)) as unknown[]
      change(parts)
      return () => decodeRelayRequest(encode(parts))
    }
    expect(send(() => {})).not.toThrow()
    const fields = (parts: unknown[]) => (parts[3] as unknown[])[1] as unknown[]
    const bad: ((parts: unknown[]) => void)[] = [
      (parts) => (parts[1] = filled(21, 0)),
      (parts) => (parts[2] as unknown[]).push((parts[2] as unknown[])[0]),
      (parts) => ((parts[3] as unknown[])[0] = 7),
      (parts) => fields(parts).pop(),
      (parts) => (fields(parts)[2] = filled(17, 1)),
      (parts) => (fields(parts)[6] = filled(64, 1)),
      (parts) => parts.push(null),
    ]
    for (const change of bad) expect(send(change)).toThrow(WireError)
    expect(() => decodeRelayRequest(new Uint8Array(MAX_RELAY_BYTES + 1))).toThrow(/too large/)
    expect(() => decodeRelayReply(encode([0, ['x'.repeat(201), null]]))).toThrow(WireError)
  })

  it('behaviour: a changed byte is refused or says something else', () => {
    for (const request of requests) {
      const small = encodeRelayRequest({ ...request, settleFirst: [] })
      expectChangedBytesShow(small, (data) => encodeRelayRequest(decodeRelayRequest(data)))
    }
    for (const reply of replies) {
      const data = encodeRelayReply(reply)
      expectChangedBytesShow(data, (changed) => encodeRelayReply(decodeRelayReply(changed)))
    }
  })
})
