import { encodeCanonical } from './canonical.ts'
import { bytes, record, uint, type ValueOf } from './field.ts'
import { taggedHash } from './hash.ts'

const statementFields = { owner: bytes(32), device: bytes(32), index: uint(0xffff) }
const statementField = record(statementFields, { isPart: true })

/** The owner key's word that `device` is one of its devices. Keys are raw Ed25519 public keys. */
export const certificateField = record({ ...statementFields, sig: bytes(64) })
export type Certificate = ValueOf<typeof certificateField>

/** What the owner key signs. @returns 32 bytes */
export function certificateHash(statement: ValueOf<typeof statementField>): Uint8Array {
  return taggedHash('certificate', encodeCanonical(statementField, statement))
}
