/** Up to where a text is whole sentences: what is read aloud while the rest is being written. */
export function endOfSentences(text: string): number {
  let end = 0
  for (const { index, 0: found } of text.matchAll(/[.!?…。！？]["'”’)\]]*\s|\n/g)) {
    end = index + found.length
  }
  return end
}
