import { generate } from 'lean-qr'

/** Light modules around a code, so that cameras find it. */
const QUIET = 2

/** A QR code for a terminal: two rows of modules in each line, dark on light whatever its colours are. */
export function qrText(content: string): string {
  const code = generate(content)
  const isLight = (x: number, y: number) => !code.get(x, y)
  const lines: string[] = []
  for (let y = -QUIET; y < code.size + QUIET; y += 2) {
    let line = ''
    for (let x = -QUIET; x < code.size + QUIET; x++) {
      const [above, below] = [isLight(x, y), y + 1 >= code.size + QUIET || isLight(x, y + 1)]
      line += above ? (below ? '█' : '▀') : below ? '▄' : ' '
    }
    lines.push(line)
  }
  return lines.join('\n')
}
