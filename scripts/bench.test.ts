import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('../bench/main.ts', import.meta.url))

async function bench(name: string) {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, name, '--quick', '--json'])
  const lines = stdout.trim().split('\n')
  expect(lines).toHaveLength(1)
  const result = JSON.parse(lines[0] as string)
  expect([result.name, result.goals]).toEqual([name, []])
  return result.figures
}

it('default: the chain’s benchmark runs, and ends with one line of figures', async () => {
  const figures = await bench('chain')
  expect(Object.keys(figures)).toEqual(['synthetic', 'audit', 'acorn', 'token', 'gas'])
  for (const speed of [figures.synthetic, figures.acorn]) {
    expect(speed.borrowedOverOwn).toBeGreaterThan(0)
    expect(speed.ratios).toHaveLength(1)
  }
  // Gas does not depend on the machine.
  expect(figures.gas.relayedOpen).toBeGreaterThan(figures.gas.settleMany['1'])
  expect(figures.gas.settleMany['10']).toBeLessThan(10 * figures.gas.settleMany['1'])
}, 300_000)

it('behaviour: clearing’s benchmark says what each call costs', async () => {
  const { gas, cost, offChain, published } = await bench('clearing')
  // Gas does not depend on the machine, and hardly on keys and salts.
  expect(gas.open.whole).toBeLessThan(75_000)
  expect(gas['open, first ever in this house'].whole).toBeGreaterThan(gas.open.whole)
  expect(gas['settleMany, 10'].whole).toBeLessThan(190_000 + 21_000)
  expect(gas['set-off, ring of 3'].whole - gas['set-off, ring of 2'].whole).toBeLessThan(22_000)
  for (const { whole, execution } of Object.values<{ whole: number; execution: number }>(gas)) {
    expect(execution).toBeGreaterThan(0)
    expect(execution).toBeLessThan(whole - 21_000)
  }
  expect(cost.share).toBeLessThan(0.05)
  expect(Object.values(offChain).every((figure) => Number(figure) > 0)).toBe(true)
  expect(
    published.every((row: { source: string; caveat: string }) => row.source && row.caveat),
  ).toBe(true)
}, 300_000)
