import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { HDKey } from '@scure/bip32'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { to0x, u32le } from '../bytes.ts'
import { IdentityError } from '../errors.ts'
import { type Certificate, certificateHash } from '../wire/certificate.ts'
import { ed25519PublicKey, signEd25519 } from './ed25519.ts'
import { phraseSeed } from './phrase.ts'
import { deriveEd25519 } from './slip10.ts'

/** Purpose number of Freehold's own derivation paths. */
const PURPOSE = 1215

/** Everything that one device of an owner signs with. Nothing of it is shared with another device. */
export interface Identity {
  /** Raw Ed25519 public key of the person. */
  readonly owner: Uint8Array
  /** Raw Ed25519 public key of this device; also its libp2p identity. */
  readonly device: Uint8Array
  /** Ed25519 secret key of this device, 32 bytes, for the transport's handshake. */
  readonly deviceSecretKey: Uint8Array
  readonly certificate: Certificate
  /** Account that holds tokens; standard Ethereum path, so that any wallet can restore it. */
  readonly wallet: PrivateKeyAccount
  /** Session key that signs vouchers; holds nothing. */
  readonly voucherSigner: PrivateKeyAccount
  /** Signs with the device key. @param hash 32 bytes from `taggedHash` */
  sign(hash: Uint8Array): Promise<Uint8Array>
  /** Salt of this device's n-th channel: derived, so that phrase and chain suffice to find it again. */
  channelSalt(n: number): `0x${string}`
  /** Secret of the audit coin: nobody else can foresee which answers are audited. */
  readonly coinSecret: Uint8Array
}

/**
 * Keys of device `index` of the owner that `phrase` is. Paths (' = hardened): owner m/1215'/0' and
 * device m/1215'/1'/i' by SLIP-0010; wallet m/44'/60'/0'/0/i, voucher signer m/1215'/2'/i',
 * channel salts m/1215'/3'/i' and audit coin m/1215'/4'/i' by BIP-32.
 */
export async function deriveIdentity(phrase: string, index: number): Promise<Identity> {
  if (!Number.isInteger(index) || index < 0 || index > 0xffff) {
    throw new IdentityError({ what: 'device index is not within 0..65535', why: String(index) })
  }
  const seed = phraseSeed(phrase)
  const ownerKey = deriveEd25519(seed, [PURPOSE, 0])
  const deviceKey = deriveEd25519(seed, [PURPOSE, 1, index])
  const tree = HDKey.fromMasterSeed(seed)
  const secret = (path: string): Uint8Array => {
    const { privateKey } = tree.derive(path)
    if (privateKey === null) throw new IdentityError({ what: `no key at ${path}` })
    return privateKey
  }
  const statement = {
    owner: ed25519PublicKey(ownerKey),
    device: ed25519PublicKey(deviceKey),
    index,
  }
  const sig = await signEd25519(certificateHash(statement), ownerKey)
  const saltKey = secret(`m/${PURPOSE}'/3'/${index}'`)
  return {
    owner: statement.owner,
    device: statement.device,
    deviceSecretKey: deviceKey,
    certificate: { ...statement, sig },
    wallet: privateKeyToAccount(to0x(secret(`m/44'/60'/0'/0/${index}`))),
    voucherSigner: privateKeyToAccount(to0x(secret(`m/${PURPOSE}'/2'/${index}'`))),
    sign: (hash) => signEd25519(hash, deviceKey),
    channelSalt: (n) => to0x(hmac(sha256, saltKey, u32le(n))),
    coinSecret: secret(`m/${PURPOSE}'/4'/${index}'`),
  }
}

/**
 * The owner's word that a device with keys of its own is one of the owner's devices. The phrase is
 * needed for it and goes nowhere.
 * @param index tells certificates apart; devices of the phrase itself have those from 0
 */
export async function certifyDevice(
  phrase: string,
  { device, index }: Pick<Certificate, 'device' | 'index'>,
): Promise<Certificate> {
  const ownerKey = deriveEd25519(phraseSeed(phrase), [PURPOSE, 0])
  const statement = { owner: ed25519PublicKey(ownerKey), device, index }
  return { ...statement, sig: await signEd25519(certificateHash(statement), ownerKey) }
}
