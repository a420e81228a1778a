import { stripVTControlCharacters } from 'node:util'

/** Data goes to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Talk goes to stderr. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** One JSON value on one line; amounts as decimal strings, byte strings as hex. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, plain))
}

/** For JSON.stringify: what JSON itself has no word for. */
export function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return value
}

/** Text of strangers and models, without what could steer a terminal. */
export function safe(text: string): string {
  return stripVTControlCharacters(text).replace(/[^\P{Cc}\n\t]/gu, '')
}

/** How many of which kind were replaced, in words; empty: none. */
export function redactedText(redacted: Readonly<Record<string, number>> = {}): string {
  return Object.entries(redacted)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')
}

/** Rows under upper-case headings, columns aligned. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows]
  const widths = headings.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
