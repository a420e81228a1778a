/** RFC 4180, with a line of headings; amounts as they are, an unknown value as nothing. */
export function csv(names: readonly string[], rows: readonly object[]): string {
  const values = (row: object) => names.map((name) => (row as Record<string, unknown>)[name])
  return [names, ...rows.map(values)].map((line) => line.map(cell).join(',')).join('\r\n')
}

/** A text that a spreadsheet would take for a formula starts with a quote, as it would be typed. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const isText = typeof value === 'string'
  const text =
    isText && /^[=+\-@\t\r]/.test(value)
      ? `'${value}`
      : String(value as string | number | bigint | boolean)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
