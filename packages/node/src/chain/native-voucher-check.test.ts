import { to0x } from '@freehold/core/bytes'
import { SIGNER, testRecord } from '@freehold/core/clearing/channel.fixture'
import { checkVoucher, settleable, signVoucher } from '@freehold/core/clearing/voucher'
import * as fc from 'fast-check'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { createNativeVoucherCheck } from './native-voucher-check.ts'

const record = testRecord('payee')
const check = createNativeVoucherCheck()
const sig = await signVoucher(SIGNER, record, 500n)
const outcome = (work: Promise<void>) =>
  work.then(
    () => 'holds',
    (error: Error) => error.name,
  )

describe('createNativeVoucherCheck', () => {
  it('default: takes what the portable check takes, the first time and later', async () => {
    expect(check).not.toBe(checkVoucher)
    for (let i = 0; i < 3; i++) await check(record, 500n, sig)
    const most = 2n ** 128n - 1n
    await check(record, most, await signVoucher(SIGNER, record, most))
  })

  it('behaviour: refuses what the portable check refuses', async () => {
    const stranger = await signVoucher(privateKeyToAccount(`0x${'52'.repeat(32)}`), record, 500n)
    const other = testRecord('payee', {}, 2)
    for (const known of [createNativeVoucherCheck(), check]) {
      expect(await outcome(known(record, 501n, sig))).toBe('ClearingError')
      expect(await outcome(known(record, 500n, stranger))).toBe('ClearingError')
      expect(await outcome(known({ ...record, id: other.id }, 500n, sig))).toBe('ClearingError')
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(64), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        // The other recovery byte: see below.
        fc.pre(at !== 64 || mask !== (27 ^ 28))
        const changed = sig.slice()
        changed.set([(sig[at] ?? 0) ^ mask], at)
        expect(await outcome(check(record, 500n, changed))).toBe('ClearingError')
      }),
    )
  })

  it('behaviour: a wrong recovery byte is put right before it settles', async () => {
    const twin = sig.slice()
    twin[64] = sig[64] === 27 ? 28 : 27
    expect(await outcome(checkVoucher(record, 500n, twin))).toBe('ClearingError')
    await check(record, 500n, sig)
    await check(record, 500n, twin)
    const kept = { ...record, cumulative: 500n }
    expect(await settleable({ ...kept, signature: to0x(twin) })).toBe(to0x(sig))
    expect(await settleable({ ...kept, signature: to0x(sig) })).toBe(to0x(sig))
  })
})
