import { existsSync } from 'node:fs'

export const NO_VISION = 'this version answers text alone, no model here can look at pictures'

const IMAGE = /\.(?:png|jpe?g|webp|gif|bmp|heic)$/i

/** The first picture that a text names by its path: written as one, or a file that is there. */
export function imageIn(text: string): string | null {
  const words = text.split(/\s+/).map((word) => word.replace(/^["'(]+|["'),.;:?!]+$/g, ''))
  const isNamed = (word: string) => /^(?:\.{0,2}\/|~\/|[a-z]:\\)/i.test(word) || existsSync(word)
  return words.find((word) => IMAGE.test(word) && isNamed(word)) ?? null
}
