import type { ModelReport } from '../audit.ts'
import { MAX_TOKENS } from './catching.ts'

const WIDTH = 720
const LEFT = 210
const BAR = 14
/** Tokens at the left edge of the chart; each doubling takes the same width. */
const LEAST = 16
const GRID = [32, 128, 512, 2_048, 8_192]

/** docs/audits.svg: tokens until 99 of 100 cheating lenders were found out, on a logarithmic scale. */
export function renderChart(reports: readonly ModelReport[]): string {
  const scale = (tokens: number) =>
    ((WIDTH - LEFT - 90) * Math.log2(tokens / LEAST)) / Math.log2(MAX_TOKENS / LEAST)
  const parts: string[] = []
  let y = 24
  for (const { model, cheats } of reports) {
    parts.push(`<text x="8" y="${y}" font-weight="bold">${escapeXml(model)}</text>`)
    y += 10
    for (const { kind, tokens99 } of cheats) {
      const width = scale(tokens99 ?? MAX_TOKENS)
      const label = tokens99 === null ? `over ${MAX_TOKENS}` : String(tokens99)
      parts.push(
        `<text x="${LEFT - 8}" y="${y + BAR - 3}" text-anchor="end">${escapeXml(kind)}</text>`,
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${tokens99 === null ? '#b9b2a6' : '#6b8f3d'}"/>`,
        `<text x="${(LEFT + width + 5).toFixed(1)}" y="${y + BAR - 3}">${label}</text>`,
      )
      y += BAR + 5
    }
    y += 24
  }
  const grid = GRID.map((tokens) => {
    const x = (LEFT + scale(tokens)).toFixed(1)
    return `<path d="M${x} 30V${y - 20}" stroke="#ddd8ce"/><text x="${x}" y="${y - 6}" text-anchor="middle" fill="#777">${tokens}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12" fill="#222">
<title>Audited tokens until 99 of 100 cheating lenders were found out, logarithmic</title>
<rect width="100%" height="100%" fill="#fff"/>
${grid.join('\n')}
${parts.join('\n')}
<text x="8" y="${y - 6}" fill="#777">audited tokens, logarithmic</text>
</svg>
`
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
