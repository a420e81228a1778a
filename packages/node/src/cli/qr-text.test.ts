import { generate } from 'lean-qr'
import { describe, expect, it } from 'vitest'
import { qrText } from './qr-text.ts'

describe('qrText', () => {
  it('default: each module is there, dark ones without ink, with light around them', () => {
    const content = `freehold:pair/K7QM-2XPD?as=own&at=${'x'.repeat(120)}`
    const code = generate(content)
    const lines = qrText(content).split('\n')
    expect(new Set(lines.map((line) => line.length))).toEqual(new Set([code.size + 4]))
    const isDark = (x: number, y: number) => {
      const mark = lines[Math.floor((y + 2) / 2)]?.[x + 2] ?? ''
      return mark === ' ' || mark === (y % 2 === 0 ? '▄' : '▀')
    }
    for (let y = 0; y < code.size; y++) {
      for (let x = 0; x < code.size; x++) expect(isDark(x, y), `${x},${y}`).toBe(code.get(x, y))
    }
  })
})
