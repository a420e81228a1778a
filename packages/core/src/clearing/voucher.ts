import { type Hex, recoverPublicKey } from 'viem'
import { type PrivateKeyAccount, publicKeyToAddress } from 'viem/accounts'
import { isAddressEqual } from 'viem/utils'
import { from0x, to0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import type { ChannelRecord } from './channel.ts'
import { voucherDigest, voucherTypedData } from './typed-data.ts'

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

/** What a voucher is checked against. */
export type VoucherOf = Pick<ChannelRecord, 'house' | 'id' | 'config'>

/**
 * Checks that `sig` is the channel's signer's over exactly this amount. A platform may hand in a
 * quicker one that leaves the recovery byte aside: `settleable` puts that right.
 * @throws ClearingError when it is not
 */
export type VoucherCheck = (record: VoucherOf, cumulative: bigint, sig: Uint8Array) => Promise<void>

/** The portable check: recovers the signer, as the contract does. */
export const checkVoucher: VoucherCheck = async (record, cumulative, sig) => {
  await recoverVoucherKey(record, cumulative, sig)
}

/** @returns the signer's public key, 65 bytes @throws ClearingError as `VoucherCheck` says */
export async function recoverVoucherKey(
  record: VoucherOf,
  cumulative: bigint,
  sig: Uint8Array,
): Promise<Uint8Array> {
  requireSoundSignature(sig)
  let publicKey: Hex
  try {
    const hash = voucherDigest(record.house, record.id, cumulative)
    publicKey = await recoverPublicKey({ hash, signature: to0x(sig) })
  } catch (cause) {
    return refuseVoucher('its signature cannot be read', cause)
  }
  const signer = publicKeyToAddress(publicKey)
  if (!isAddressEqual(signer, record.config.signer)) refuseVoucher(`${signer} signed it`)
  return from0x(publicKey)
}

/** @throws ClearingError for what no contract takes, whoever signed it */
export function requireSoundSignature(sig: Uint8Array): void {
  const v = sig[64]
  if (sig.length !== 65 || (v !== 27 && v !== 28))
    refuseVoucher('its recovery byte is neither 27 nor 28')
  if (BigInt(to0x(sig.subarray(32, 64))) > HALF_ORDER) refuseVoucher('its signature is malleable')
}

/** @throws ClearingError saying why a voucher does not hold */
export function refuseVoucher(why: string, cause?: unknown): never {
  throw new ClearingError({ what: 'the voucher does not hold', why, cause })
}

/**
 * The signature of a channel's best voucher as the contract takes it. A quick check knows the signer's
 * key and never looks at the recovery byte, so a payer may have written the wrong one of the two.
 */
export async function settleable(record: ChannelRecord): Promise<Hex> {
  const sig = from0x(record.signature as Hex)
  const other = sig.slice()
  other[64] = sig[64] === 27 ? 28 : 27
  for (const one of [sig, other]) {
    const holds = checkVoucher(record, record.cumulative, one).then(
      () => true,
      () => false,
    )
    if (await holds) return to0x(one)
  }
  return to0x(sig)
}
