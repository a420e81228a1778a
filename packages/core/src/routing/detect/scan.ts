/** Classes of ASCII characters, to be added up into alphabets. */
export const DIGIT = 1
export const UPPER = 2
export const LOWER = 4
export const UNDERSCORE = 8
export const DASH = 16
export const DOT = 32
export const PLUS_SLASH = 64
/** What else may stand in front of the @ of a mail address. */
export const MAIL_SIGN = 128
export const LETTER = UPPER | LOWER
export const ALNUM = LETTER | DIGIT
export const BASE64URL = ALNUM | DASH | UNDERSCORE
export const BASE64 = ALNUM | PLUS_SLASH

/** What a search may take for each character, and for a text as such; ordinary texts take some twenty. */
const STEPS_EACH = 100
const STEPS_AT_LEAST = 4_000_000

const CLASSES = new Uint8Array(128)
const classify = (characters: string, kind: number) => {
  for (const character of characters) {
    const code = character.charCodeAt(0)
    CLASSES[code] = (CLASSES[code] ?? 0) | kind
  }
}
classify('0123456789', DIGIT)
classify('ABCDEFGHIJKLMNOPQRSTUVWXYZ', UPPER)
classify('abcdefghijklmnopqrstuvwxyz', LOWER)
classify('_', UNDERSCORE)
classify('-', DASH)
classify('.', DOT)
classify('+/', PLUS_SLASH)
classify("!#$%&'*+=?^`{|}~", MAIL_SIGN)

/** Thrown when a text takes too long to be looked through: then nobody knows what is in it. */
export class TooDenseError extends Error {
  override name = 'TooDenseError'
}

/**
 * One text that is looked through. Whoever reads it counts the characters, so that a text that was made to
 * be slow ends the search, by the same count on each machine, instead of holding up the device.
 */
export class Scan {
  readonly text: string
  #steps = 0
  readonly #most: number

  constructor(text: string) {
    this.text = text
    this.#most = STEPS_AT_LEAST + STEPS_EACH * text.length
  }

  /** Characters that were read so far. */
  get steps(): number {
    return this.#steps
  }

  /** @throws TooDenseError when it were too many */
  count(steps: number): void {
    this.#steps += steps
    if (this.#steps > this.#most) {
      throw new TooDenseError(`${this.text.length} characters took more than ${this.#most} steps`)
    }
  }

  /** Whether the character at `at` is of an alphabet; outside of the text there is none. */
  is(at: number, alphabet: number): boolean {
    return isOf(this.text.charCodeAt(at), alphabet)
  }

  /** Where the run of an alphabet that begins at `from` ends, after `most` characters at the latest. */
  runEnd(from: number, alphabet: number, most = Infinity): number {
    const end = Math.min(this.text.length, from + most)
    let at = from
    while (at < end && this.is(at, alphabet)) at++
    this.count(at - from + 1)
    return at
  }

  /** Where the run of an alphabet that ends before `to` begins, `most` characters before it at the earliest. */
  runStart(to: number, alphabet: number, most: number): number {
    const start = Math.max(0, to - most)
    let at = to
    while (at > start && this.is(at - 1, alphabet)) at--
    this.count(to - at + 1)
    return at
  }

  /**
   * Whether a word of an alphabet begins at `at`. In escaped texts a letter of `\n` or a digit of `%3D` may
   * stand right before it.
   */
  isStart(at: number, alphabet: number): boolean {
    if (!this.is(at - 1, alphabet)) return true
    return this.text[at - 2] === '\\' || this.text[at - 3] === '%'
  }

  /** Every place where `part` stands, from left to right. */
  *places(part: string): Generator<number> {
    this.count(this.text.length)
    let at = this.text.indexOf(part)
    while (at >= 0) {
      this.count(1)
      yield at
      at = this.text.indexOf(part, at + 1)
    }
  }
}

export function isOf(code: number, alphabet: number): boolean {
  return code < 128 && ((CLASSES[code] as number) & alphabet) !== 0
}
