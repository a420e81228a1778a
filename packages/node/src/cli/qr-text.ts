import encodeQR from 'qr'

/** What stands for an upper and a lower square: a character is about twice as high as wide. */
const HALVES = [' ', '▄', '▀', '█'] as const
/** Light squares that readers need around a code. */
const QUIET = 2

/** A QR code as text, light on dark as most terminals are. */
export function qrText(text: string): string {
  // A screen is not scratched: the smallest code is read from farthest away.
  const isDark = encodeQR(text, 'raw', { ecc: 'low', border: QUIET })
  const isLight = (x: number, y: number) => isDark[y]?.[x] === false
  const lines: string[] = []
  for (let y = 0; y < isDark.length; y += 2) {
    let line = ''
    for (let x = 0; x < isDark.length; x++) {
      line += HALVES[(isLight(x, y) ? 2 : 0) + (isLight(x, y + 1) ? 1 : 0)]
    }
    lines.push(line)
  }
  return lines.join('\n')
}
