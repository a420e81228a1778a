import { decode, encode } from 'cborg'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { WireError } from '../errors.ts'
import { expectChangedBytesShow } from './changed-byte.fixture.ts'
import {
  type DebtMessage,
  debtorHash,
  decodeSetOffReply,
  decodeSetOffRequest,
  encodeSetOffReply,
  encodeSetOffRequest,
  MAX_DEBTORS,
  MAX_SET_OFF_BYTES,
  MAX_SET_OFF_CHANNELS,
  type SetOffReply,
  type SetOffRequest,
} from './set-off-messages.ts'

const debt = (n = 1, total = 2n ** 128n - 1n): DebtMessage => ({
  config: {
    ...{ payer: filled(20, n), signer: filled(20, 2), payee: filled(20, 3) },
    ...{ delay: 172_800, flags: 1, salt: filled(32, 4) },
  },
  total,
  deadline: 2_000_000_000,
  ...{ voucher: filled(65, 5), acknowledgement: filled(65, 6) },
})
const acknowledgement = {
  ...{ channelId: filled(32, 1), total: 7n, deadline: 9, signature: filled(65, 2) },
  reach: 'friends' as const,
}
const many = <T>(count: number, one: T) => Array.from({ length: count }, () => one)

const requests: SetOffRequest[] = [
  { kind: 'ask', salt: filled(16, 1), debtors: [] },
  { kind: 'ask', salt: filled(16, 1), debtors: many(MAX_DEBTORS, filled(32, 2)) },
  { kind: 'close', channels: many(MAX_SET_OFF_CHANNELS, debt().config) },
  { kind: 'submit', ring: [debt(1), debt(2), debt(3)], amount: 5n },
]
const replies: SetOffReply[] = [
  { kind: 'refuse', why: 'no' },
  { kind: 'answer', acknowledgements: [], matches: [] },
  {
    kind: 'answer',
    acknowledgements: many(MAX_SET_OFF_CHANNELS, acknowledgement),
    matches: many(MAX_SET_OFF_CHANNELS, filled(32, 3)),
  },
  { kind: 'closing', debts: many(MAX_SET_OFF_CHANNELS, debt()) },
  { kind: 'submitted', transaction: filled(32, 1) },
]

describe('set-off messages', () => {
  it('default: are read as they were written, the longest too', () => {
    for (const request of requests) {
      expect(decodeSetOffRequest(encodeSetOffRequest(request))).toEqual(request)
    }
    for (const reply of replies) expect(decodeSetOffReply(encodeSetOffReply(reply))).toEqual(reply)
  })

  it('behaviour: limits what a stranger may send', () => {
    const tooLong: SetOffRequest[] = [
      { kind: 'ask', salt: filled(16, 1), debtors: many(MAX_DEBTORS + 1, filled(32, 2)) },
      { kind: 'ask', salt: filled(17, 1), debtors: [] },
      { kind: 'close', channels: many(MAX_SET_OFF_CHANNELS + 1, debt().config) },
      { kind: 'submit', ring: many(4, debt()), amount: 5n },
      { kind: 'submit', ring: [{ ...debt(), deadline: -1 }], amount: 5n },
      { kind: 'submit', ring: [{ ...debt(), voucher: filled(64, 1) }], amount: 5n },
    ]
    for (const request of tooLong) expect(() => encodeSetOffRequest(request)).toThrow(WireError)
    const rows = (change: (fields: unknown[]) => void) => {
      const raw = decode(encodeSetOffRequest(requests[3] as SetOffRequest)) as [number, unknown[]]
      change(raw[1])
      return () => decodeSetOffRequest(encode(raw))
    }
    expect(rows(() => {})).not.toThrow()
    expect(rows((fields) => fields.push(1))).toThrow(WireError)
    expect(rows((fields) => (fields[0] as unknown[]).push((fields[0] as unknown[])[0]))).toThrow(
      WireError,
    )
    expect(rows((fields) => (fields[1] = filled(17, 0)))).toThrow(WireError)
    expect(() => decodeSetOffRequest(encode([3, []]))).toThrow(WireError)
    expect(() => decodeSetOffReply(new Uint8Array(MAX_SET_OFF_BYTES + 1))).toThrow(/too large/)
    expect(() => decodeSetOffReply(encode([0, ['x'.repeat(201)]]))).toThrow(WireError)
  })

  it('behaviour: a changed byte is refused or says something else', () => {
    const again = (data: Uint8Array) => encodeSetOffRequest(decodeSetOffRequest(data))
    for (const request of [requests[0], requests[3]] as SetOffRequest[]) {
      expectChangedBytesShow(encodeSetOffRequest(request), again)
    }
    const reply = { kind: 'answer', acknowledgements: [acknowledgement], matches: [] } as const
    expectChangedBytesShow(
      encodeSetOffReply({ ...reply, acknowledgements: [acknowledgement], matches: [] }),
      (data) => encodeSetOffReply(decodeSetOffReply(data)),
    )
  })

  it('behaviour: whatever bytes come, they are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        for (const read of [decodeSetOffRequest, decodeSetOffReply]) {
          try {
            read(data)
          } catch (error) {
            expect(error).toBeInstanceOf(WireError)
          }
        }
      }),
    )
  })

  it('behaviour: a debtor’s name depends on salt and account', () => {
    const names = [1, 2].flatMap((salt) =>
      [1, 2].map((account) => debtorHash(filled(16, salt), filled(20, account)).join()),
    )
    expect(new Set(names).size).toBe(4)
  })
})
