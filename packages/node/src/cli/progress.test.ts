import { describe, expect, it } from 'vitest'
import { sizeText } from '../models/size-text.ts'
import { formatAge, formatCount, formatDuration } from './format.ts'
import { createProgress, type ProgressUnit } from './progress.ts'

function draw(init: { isTTY: boolean; columns?: number }, steps = 21, unit?: ProgressUnit): string {
  let [text, ms] = ['', 0]
  const write = (part: unknown) => {
    text += String(part)
    return true
  }
  const progress = createProgress({ stream: { ...init, write }, now: () => ms }, unit)
  for (let step = 0; step < steps; step++) {
    progress.show('pulling 6340dc3229b0...', (step * 4.7e9) / 20, 4.7e9)
    ms += 1_000
  }
  progress.end()
  return text
}

describe('createProgress', () => {
  it('default: one line that is drawn over, as wide each time', () => {
    const lines = draw({ isTTY: true, columns: 100 }).trimEnd().split('\r').slice(1)
    expect(lines).toHaveLength(21)
    expect(lines[10]).toContain('pulling 6340dc3229b0...  50% ▕')
    expect(lines[10]).toMatch(/▏ +2\.4 GB\/4\.7 GB +235 MB\/s +10s/)
    expect(new Set(lines.map((line) => line.replace('\x1b[K', '').length)).size).toBe(1)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(103)
  })

  it('behaviour: a narrow terminal has no bar, and no line breaks', () => {
    const lines = draw({ isTTY: true, columns: 40 }).trimEnd().split('\r').slice(1)
    for (const line of lines) expect(line.replace('\x1b[K', '').length).toBeLessThan(40)
  })

  it('behaviour: where there is no terminal it is a line for each tenth', () => {
    const lines = draw({ isTTY: false }, 21).trimEnd().split('\n')
    expect(lines).toHaveLength(11)
    expect(lines[5]).toBe('pulling 6340dc3229b0...  50% 2.4 GB/4.7 GB')
  })
  it('behaviour: of what is no bytes it says how far, and how long', () => {
    const plain = draw({ isTTY: false }, 21, 'steps').trimEnd().split('\n')
    expect(plain[5]).toBe('pulling 6340dc3229b0...  50%')
    const [last] = draw({ isTTY: true, columns: 100 }, 11, 'steps').trimEnd().split('\r').slice(-1)
    expect(last).toMatch(/50% ▕█+ +▏ +10s/)
    expect(last).not.toMatch(/GB/)
  })
})

describe('formats', () => {
  it('default', () => {
    expect([0, 999, 1_000, 2.14e9, 104e6, 999.6e6].map(sizeText)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '2.1 GB',
      '104 MB',
      '1.0 GB',
    ])
    expect([7, 72, 3_720].map(formatDuration)).toEqual(['7s', '1m12s', '1h02m'])
    expect([1.24e9, 135e6, 512].map(formatCount)).toEqual(['1.2B', '135M', '512'])
    const day = 86_400_000
    expect([0, 90_000, day, 3 * day, 15 * day].map((ms) => formatAge(0, ms))).toEqual([
      'just now',
      '1 minute ago',
      '1 day ago',
      '3 days ago',
      '2 weeks ago',
    ])
  })
})
