import { utf8 } from '../bytes.ts'
import { taggedHash } from '../wire/hash.ts'

/** Both sides mean the same prompt only if they mean the same chat template. */
export function templateHash(chatTemplate: string): Uint8Array {
  return taggedHash('template', utf8(chatTemplate))
}
