import { type Hex, recoverTypedDataAddress } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { isAddressEqual } from 'viem/utils'
import { from0x, to0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import type { ChannelRecord } from './channel.ts'
import { voucherTypedData } from './typed-data.ts'

/** Order of secp256k1 / 2: signatures above it are the malleable twins, which the contract refuses. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/** Signs a voucher over the channel's whole life. @returns 65 bytes r ‖ s ‖ v */
export async function signVoucher(
  signer: PrivateKeyAccount,
  record: Pick<ChannelRecord, 'house' | 'id'>,
  cumulative: bigint,
): Promise<Uint8Array> {
  return from0x(await signer.signTypedData(voucherTypedData(record.house, record.id, cumulative)))
}

/** @throws ClearingError when `sig` is not the channel's signer's over exactly this amount */
export async function checkVoucher(
  record: Pick<ChannelRecord, 'house' | 'id' | 'config'>,
  cumulative: bigint,
  sig: Uint8Array,
): Promise<void> {
  const fail = (why: string, cause?: unknown): never => {
    throw new ClearingError({ what: 'the voucher does not hold', why, cause })
  }
  const v = sig[64]
  if (v !== 27 && v !== 28) fail('its recovery byte is neither 27 nor 28')
  if (BigInt(to0x(sig.subarray(32, 64))) > HALF_ORDER) fail('its signature is malleable')
  let signer: Hex
  try {
    signer = await recoverTypedDataAddress({
      ...voucherTypedData(record.house, record.id, cumulative),
      signature: to0x(sig),
    })
  } catch (cause) {
    return fail('its signature cannot be read', cause)
  }
  if (!isAddressEqual(signer, record.config.signer)) fail(`${signer} signed it`)
}
