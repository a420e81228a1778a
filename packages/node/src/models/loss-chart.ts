import type { ShrunkModel } from './shrink.ts'
import { sizeText } from './size-text.ts'

const [WIDTH, HEIGHT] = [720, 440]
const PLOT = { left: 80, right: 40, top: 64, bottom: 64 }
const TICKS = 5

/**
 * Draws size against loss as an SVG: further left is smaller, further down is nearer to the original.
 * @param models the original first
 */
export function lossChart(title: string, models: readonly ShrunkModel[]): string {
  const points = models.flatMap((model, index) =>
    index === 0 || model.loss !== null
      ? [{ ...model, kl: model.loss?.klMean ?? 0, isOriginal: index === 0 }]
      : [],
  )
  const mostBytes = niceCeiling(Math.max(...points.map(({ sizeBytes }) => sizeBytes)))
  const mostKl = niceCeiling(Math.max(1e-4, ...points.map(({ kl }) => kl)))
  const x = (bytes: number) =>
    rounded(PLOT.left + ((WIDTH - PLOT.left - PLOT.right) * bytes) / mostBytes)
  const y = (kl: number) =>
    rounded(HEIGHT - PLOT.bottom - ((HEIGHT - PLOT.top - PLOT.bottom) * kl) / mostKl)
  const [bottom, right] = [HEIGHT - PLOT.bottom, WIDTH - PLOT.right]
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => index / TICKS)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#222" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${PLOT.left}" y="32" font-size="16">${escaped(title)}</text>`,
    ...ticks.flatMap((part) => [
      `<path d="M${PLOT.left} ${y(part * mostKl)}H${right}" stroke="#ddd"/>`,
      `<text x="${PLOT.left - 8}" y="${y(part * mostKl) + 4}" text-anchor="end">${Number((part * mostKl).toPrecision(3))}</text>`,
      `<text x="${x(part * mostBytes)}" y="${bottom + 20}" text-anchor="middle">${sizeText(part * mostBytes)}</text>`,
    ]),
    `<text x="${PLOT.left}" y="${PLOT.top - 14}" fill="#666">KL divergence to the original, nats a token</text>`,
    `<text x="${right}" y="${HEIGHT - 16}" text-anchor="end" fill="#666">size of the file</text>`,
    ...points.flatMap(({ quantisation, sizeBytes, kl, isOriginal }) => [
      `<circle cx="${x(sizeBytes)}" cy="${y(kl)}" r="5" fill="${isOriginal ? '#888' : '#0a6'}"/>`,
      `<text x="${x(sizeBytes)}" y="${y(kl) - 10}" text-anchor="middle">${escaped(quantisation)}</text>`,
    ]),
    '</svg>',
    '',
  ].join('\n')
}

/** The next 1, 2 or 5 with zeros. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10)
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.codePointAt(0)};`)
}
