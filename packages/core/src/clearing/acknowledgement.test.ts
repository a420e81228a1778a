import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import { to0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import {
  type Acknowledgement,
  checkAcknowledgement,
  signAcknowledgement,
} from './acknowledgement.ts'
import { HOUSE, SIGNER, testConfig } from './channel.fixture.ts'
import { checkDebt } from './debt.ts'
import { channelIdOf } from './typed-data.ts'
import { signVoucher } from './voucher.ts'

const PAYEE = privateKeyToAccount(`0x${'52'.repeat(32)}`)
const config = { ...testConfig(), payee: PAYEE.address, flags: 1 }
const channel = { house: HOUSE, config, id: channelIdOf(HOUSE, config) }
const WORDS = { total: 70n, deadline: 2_000_000_000 }

describe('an acknowledgement', () => {
  it('default: holds for what its payee signed', async () => {
    await checkAcknowledgement(channel, await signAcknowledgement(PAYEE, channel, WORDS))
  })

  it('behaviour: for another channel, contract, chain, total, deadline or signer it does not', async () => {
    const good = await signAcknowledgement(PAYEE, channel, WORDS)
    const twin = good.signature.slice()
    twin[64] = 55 - (twin[64] as number)
    const wrong: [Acknowledgement, typeof channel][] = [
      [{ ...good, total: 71n }, channel],
      [{ ...good, deadline: WORDS.deadline + 1 }, channel],
      [{ ...good, signature: twin }, channel],
      [{ ...good, signature: good.signature.slice(1) }, channel],
      [{ ...good, signature: new Uint8Array(65) }, channel],
      [good, { ...channel, id: `0x${'11'.repeat(32)}` }],
      [good, { ...channel, house: { ...HOUSE, chainId: 1 } }],
      [good, { ...channel, house: { ...HOUSE, address: PAYEE.address } }],
      [await signAcknowledgement(SIGNER, channel, WORDS), channel],
    ]
    for (const [one, of] of wrong) {
      await expect(checkAcknowledgement(of, one)).rejects.toBeInstanceOf(ClearingError)
    }
  })

  it('behaviour: a debt takes both signatures over the same total', async () => {
    const { signature } = await signAcknowledgement(PAYEE, channel, WORDS)
    const voucher = to0x(await signVoucher(SIGNER, channel, WORDS.total))
    const lower = to0x(await signVoucher(SIGNER, channel, WORDS.total - 1n))
    const debt = { config, ...WORDS, voucher, acknowledgement: to0x(signature) }
    expect(await checkDebt(HOUSE, debt)).toBe(channel.id)
    for (const change of [
      { voucher: lower },
      { voucher: debt.acknowledgement },
      { acknowledgement: voucher },
      { total: 71n },
      { config: { ...config, flags: 0 } },
    ]) {
      await expect(checkDebt(HOUSE, { ...debt, ...change })).rejects.toBeInstanceOf(ClearingError)
    }
  })
})
