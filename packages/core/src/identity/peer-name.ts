import { base58 } from '@scure/base'
import { concat, fromHex } from '../bytes.ts'

/** Multihash of an Ed25519 public key in libp2p's encoding: identity hash, 36 bytes, key type 1, 32 bytes. */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** The libp2p peer id of a device (`12D3Koo…`), by which people know it. @param device raw Ed25519 key */
export function peerName(device: Uint8Array): string {
  return base58.encode(concat(PREFIX, device))
}

/** The same for a key that was written down, 64 hex digits. A row that somebody changed is shown as it is. */
export function peerNameOf(written: string): string {
  return /^[0-9a-f]{64}$/.test(written) ? peerName(fromHex(written)) : written
}

/** The device that a peer id names, by its raw Ed25519 key. @throws Error when it is the name of none */
export function peerKey(name: string): Uint8Array {
  const bytes = base58.decode(name)
  const isOne = bytes.length === PREFIX.length + 32 && PREFIX.every((byte, i) => byte === bytes[i])
  if (!isOne) throw new Error(`${name} names no device`)
  return bytes.slice(PREFIX.length)
}
