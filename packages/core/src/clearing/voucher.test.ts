import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { to0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import { HOUSE, SIGNER, testConfig, testRecord } from './channel.fixture.ts'
import { channelIdOf, voucherDigest } from './typed-data.ts'
import { checkVoucher, signVoucher } from './voucher.ts'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const record = testRecord('payee')
const sig = await signVoucher(SIGNER, record, 500n)
const refuses = (...args: Parameters<typeof checkVoucher>) =>
  expect(checkVoucher(...args)).rejects.toThrow(ClearingError)

describe('voucher', () => {
  it('default: holds for its channel, amount and signer', async () => {
    expect(sig).toHaveLength(65)
    await checkVoucher(record, 500n, sig)
    const most = 2n ** 128n - 1n
    await checkVoucher(record, most, await signVoucher(SIGNER, record, most))
  })

  it('behaviour: refuses another amount, channel, contract, chain and signer', async () => {
    await refuses(record, 501n, sig)
    await refuses(record, 499n, sig)
    await refuses({ ...record, id: testRecord('payee', {}, 2).id }, 500n, sig)
    const address = `0x${'c3'.repeat(20)}` as const
    await refuses({ ...record, house: { ...HOUSE, address } }, 500n, sig)
    await refuses({ ...record, house: { ...HOUSE, chainId: 1 } }, 500n, sig)
    const other = privateKeyToAccount(`0x${'52'.repeat(32)}`)
    await refuses(record, 500n, await signVoucher(other, record, 500n))
    await refuses({ ...record, config: { ...record.config, signer: other.address } }, 500n, sig)
  })

  it('behaviour: refuses the malleable twin, which the contract would not settle', async () => {
    const twin = sig.slice()
    let s = ORDER - BigInt(to0x(sig.subarray(32, 64)))
    for (let i = 63; i >= 32; i--, s >>= 8n) twin[i] = Number(s & 0xffn)
    twin[64] = sig[64] === 27 ? 28 : 27
    await expect(checkVoucher(record, 500n, twin)).rejects.toThrow(/malleable/)
    // Other ways to write the recovery byte, which libraries take and the contract does not.
    for (const v of [(sig[64] as number) - 27, 0, 1, 29, 35, 37]) {
      const other = sig.slice()
      other[64] = v
      await expect(checkVoucher(record, 500n, other)).rejects.toThrow(/recovery byte/)
    }
  })

  it('behaviour: no changed byte of a signature holds', async () => {
    for (let at = 0; at < 65; at++) {
      const changed = sig.slice()
      changed[at]! ^= 1 << (at % 8)
      await refuses(record, 500n, changed)
    }
    await refuses(record, 500n, new Uint8Array(65))
    await refuses(record, 500n, new Uint8Array(65).fill(27))
  })

  it('behaviour: a signer of the payer’s choice binds the channel id', () => {
    const ids = [
      channelIdOf(HOUSE, testConfig()),
      channelIdOf(HOUSE, testConfig(2)),
      channelIdOf(HOUSE, { ...testConfig(), signer: testConfig().payee }),
      channelIdOf(HOUSE, { ...testConfig(), delay: 172_801 }),
      channelIdOf(HOUSE, { ...testConfig(), flags: 1 }),
      channelIdOf({ ...HOUSE, chainId: 1 }, testConfig()),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    const digests = ids.map((id) => voucherDigest(HOUSE, id, 1n))
    expect(new Set([...digests, ...ids]).size).toBe(2 * ids.length)
  })
})
