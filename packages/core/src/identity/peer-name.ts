import { base58 } from '@scure/base'
import { concat } from '../bytes.ts'

/** Multihash of an Ed25519 public key in libp2p's encoding: identity hash, 36 bytes, key type 1, 32 bytes. */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** The libp2p peer id of a device (`12D3Koo…`), by which people know it. @param device raw Ed25519 key */
export function peerName(device: Uint8Array): string {
  return base58.encode(concat(PREFIX, device))
}
