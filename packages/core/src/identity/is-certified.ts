import { type Certificate, certificateHash } from '../wire/certificate.ts'
import { verifyEd25519 } from './ed25519.ts'

/** Whether the owner really certified this device. */
export async function isCertified(certificate: Certificate): Promise<boolean> {
  return verifyEd25519(certificate.sig, certificateHash(certificate), certificate.owner)
}
