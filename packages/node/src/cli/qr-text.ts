import { generate } from 'lean-qr'

/** What stands for an upper and a lower square: a character is about twice as high as wide. */
const HALVES = [' ', '▄', '▀', '█'] as const
/** Light squares that readers need around a code. */
const QUIET = 2

/** A QR code as text, light on dark as most terminals are. */
export function qrText(text: string): string {
  const code = generate(text)
  const isLight = (x: number, y: number) => !code.get(x, y)
  const lines: string[] = []
  for (let y = -QUIET; y < code.size + QUIET; y += 2) {
    let line = ''
    for (let x = -QUIET; x < code.size + QUIET; x++) {
      line += HALVES[(isLight(x, y) ? 2 : 0) + (isLight(x, y + 1) ? 1 : 0)]
    }
    lines.push(line)
  }
  return lines.join('\n')
}
