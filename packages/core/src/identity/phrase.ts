import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { IdentityError } from '../errors.ts'
import type { Random } from '../platform.ts'

/** A new owner phrase: 24 BIP-39 words (256 bits). */
export function createPhrase(random: Random): string {
  return entropyToMnemonic(random(32), wordlist)
}

/** BIP-39 seed of a phrase. @returns 64 bytes @throws IdentityError when words or checksum are wrong */
export function phraseSeed(phrase: string): Uint8Array {
  const words = phrase.trim().toLowerCase().split(/\s+/).join(' ')
  if (!validateMnemonic(words, wordlist)) {
    throw new IdentityError({
      what: 'this is no valid phrase',
      why: 'a word is unknown or the last word does not fit the others',
      next: 'Check the words and their order',
    })
  }
  return mnemonicToSeedSync(words)
}
