import { decodeQR } from 'qr/decode.js'
import { describe, expect, it } from 'vitest'
import { qrText } from './qr-text.ts'

/** Pixels of a square. */
const SCALE = 4

/** The text as a terminal shows it, light ink on a dark ground, in pixels of three bytes. */
function photograph(text: string) {
  const lines = text.split('\n')
  const width = (lines[0]?.length ?? 0) * SCALE
  const height = lines.length * 2 * SCALE
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const mark = lines[Math.floor(y / SCALE / 2)]?.[Math.floor(x / SCALE)]
      const half = Math.floor(y / SCALE) % 2 === 0 ? '▀' : '▄'
      if (mark === '█' || mark === half)
        data.fill(255, (y * width + x) * 3, (y * width + x) * 3 + 3)
    }
  }
  return { width, height, data }
}

describe('qrText', () => {
  it.each([
    'freehold:pair/K7QM-2XPD',
    `freehold:pair/K7QM-2XPD?as=own&at=${'x'.repeat(120)}`,
    `https://app.example/#/pair/K7QM-2XPD?as=own&at=${'/ip4/192.168.1.20/udp/4215'.repeat(12)}`,
  ])('default: a camera reads %s', (content) => {
    expect(decodeQR(photograph(qrText(content)))).toBe(content)
  })
})
