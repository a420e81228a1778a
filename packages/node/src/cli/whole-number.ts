import { InvalidArgumentError } from 'commander'

/** Reads a count on the command line. */
export function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new InvalidArgumentError('It is a whole number above 0.')
}

/** Reads a block's number on the command line: the first is 0. */
export function blockNumber(text: string): number {
  return text === '0' ? 0 : wholeNumber(text)
}
