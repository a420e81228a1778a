import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../bench/main.ts', import.meta.url))

it('default: the chain’s benchmark runs, and ends with one line of figures', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    MAIN,
    'chain',
    '--quick',
    '--json',
  ])
  const lines = stdout.trim().split('\n')
  expect(lines).toHaveLength(1)
  const { name, goals, figures } = JSON.parse(lines[0] as string)
  expect([name, goals]).toEqual(['chain', []])
  expect(Object.keys(figures)).toEqual(['synthetic', 'audit', 'acorn', 'token', 'gas'])
  for (const speed of [figures.synthetic, figures.acorn]) {
    expect(speed.borrowedOverOwn).toBeGreaterThan(0)
    expect(speed.ratios).toHaveLength(1)
  }
  // Gas does not depend on the machine.
  expect(figures.gas.relayedOpen).toBeGreaterThan(figures.gas.settleMany['1'])
  expect(figures.gas.settleMany['10']).toBeLessThan(10 * figures.gas.settleMany['1'])
}, 300_000)
