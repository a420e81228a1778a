import * as fc from 'fast-check'
import type { Address, Hex } from 'viem'
import { describe, expect, it } from 'vitest'
import { to0x } from '../bytes.ts'
import { clearable, type Edge, findRings, type Ring, type RingsInit } from './rings.ts'

const NOW = 1_000
const MAX_DEPOSIT = 2n ** 96n - 1n
const account = (n: number): Address => to0x(new Uint8Array(20).fill(n + 1))
const ME = account(0)
const INIT: RingsInit = { through: ME, least: () => 1n, nowSeconds: NOW }

type Given = Partial<Omit<Edge, 'seen' | 'config'> & Edge['seen']> & { flags?: number }

/** A debt of 100 from account `from` to account `to`, covered ten times over. */
function edge(n: number, from: number, to: number, given: Given = {}): Edge {
  const { flags = 1, deposit = 1_000n, settled = 0n, status = 'open', ...rest } = given
  const { exitRequestedAt = 0, voucher = 100n, acknowledged = voucher, deadline = NOW } = rest
  return {
    id: to0x(new Uint8Array(32).fill(n)),
    config: {
      ...{ payer: account(from), payee: account(to), signer: account(99) },
      ...{ delay: 900, flags, salt: to0x(new Uint8Array(32).fill(n)) },
    },
    seen: {
      ...{ deposit, confirmedDeposit: deposit, settled },
      ...{ status, isCloseYoung: false, exitRequestedAt },
    },
    ...{ voucher, acknowledged, deadline },
  }
}

const told = (rings: readonly Ring[]) =>
  rings.map(({ edges, amount }) => [edges.map(({ id }) => Number(`0x${id.slice(-2)}`)), amount])

/** What the contract does with the rings, edge by edge. */
function apply(edges: readonly Edge[], rings: readonly Ring[]): Map<Hex, Edge> {
  const book = new Map(edges.map((one) => [one.id, one]))
  for (const { edges: ring, amount } of rings) {
    for (const { id } of ring) {
      const one = book.get(id) as Edge
      const { deposit, settled } = one.seen
      const seen = { ...one.seen, deposit: deposit + amount, settled: settled + amount }
      book.set(id, { ...one, seen })
    }
  }
  return book
}

/** What is left of a node's deposits and what others owe it, if every voucher counts in full. */
function worthOf(node: Address, edges: Iterable<Edge>): bigint {
  let worth = 0n
  for (const { config, seen, voucher } of edges) {
    if (config.payer === node) worth += seen.deposit - voucher
    if (config.payee === node) worth += voucher - seen.settled
  }
  return worth
}

const some = fc.bigInt(1n, 40n)
const amounts = fc.oneof({ weight: 6, arbitrary: some }, fc.bigInt(0n, MAX_DEPOSIT))
/** Mostly three nodes, and debts that a ring could take: else hardly one is found. */
const node = fc.oneof({ weight: 5, arbitrary: fc.nat(2) }, fc.nat(4))
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, fc.constantFrom(...others))
const graph = fc
  .array(
    fc.record({
      from: node,
      to: node,
      flags: mostly(1, 0),
      deposit: amounts,
      settled: fc.oneof({ weight: 5, arbitrary: fc.bigInt(0n, 5n) }, amounts),
      voucher: fc.oneof({ weight: 9, arbitrary: amounts }, fc.bigInt(0n, 2n ** 128n - 1n)),
      acknowledged: fc.option(amounts, { nil: undefined, freq: 4 }),
      status: mostly<Edge['seen']['status']>('open', 'closed', 'none'),
      exitRequestedAt: mostly(0, 5),
      deadline: mostly(NOW, NOW + 9, NOW - 1),
    }),
    { maxLength: 24, size: 'max' },
  )
  .map((rows) =>
    rows.map(({ from, to, acknowledged, ...given }, n) => {
      const settled = given.settled < given.deposit ? given.settled : given.deposit
      const rest = acknowledged === undefined ? {} : { acknowledged }
      return edge(n, from, to, { ...given, settled, ...rest })
    }),
  )
const init = fc.record({
  least: fc.bigInt(0n, 9n).map((units) => (size: number) => units * BigInt(size - 1)),
  maxRings: fc.integer({ min: 0, max: 12 }),
})

describe('findRings', () => {
  it('default: pairs first, then three who owe each other in turn, over the least of it', () => {
    const pair = [edge(1, 0, 1), edge(2, 1, 0, { voucher: 70n })]
    expect(told(findRings(pair, INIT))).toEqual([[[1, 2], 70n]])
    const ring = [edge(3, 1, 2, { voucher: 90n }), edge(4, 2, 0, { voucher: 80n })]
    expect(told(findRings([...ring, edge(1, 0, 1)], INIT))).toEqual([[[1, 3, 4], 80n]])
    // The pair takes 70 of what account 0 owes account 1, the ring the rest.
    expect(told(findRings([...ring, ...pair], INIT))).toEqual([
      [[1, 2], 70n],
      [[1, 3, 4], 30n],
    ])
  })

  it('behaviour: the contract’s rules: what is closed, unflagged, over or unowed is left alone', () => {
    const back = edge(2, 1, 0)
    const amountWith = (given: Given) =>
      findRings([edge(1, 0, 1, given), back], INIT).map(({ amount }) => amount)
    expect(amountWith({})).toEqual([100n])
    expect(amountWith({ exitRequestedAt: 7 })).toEqual([100n])
    for (const given of [
      { flags: 0 },
      { status: 'closed' },
      { status: 'none' },
      { deadline: NOW - 1 },
      { settled: 100n },
      { voucher: 50n, settled: 60n },
      { acknowledged: 0n },
      { deposit: MAX_DEPOSIT },
    ] satisfies Given[]) {
      expect([given, amountWith(given)]).toEqual([given, []])
    }
    expect(amountWith({ settled: 99n })).toEqual([1n])
    expect(amountWith({ acknowledged: 60n })).toEqual([60n])
    expect(amountWith({ deposit: MAX_DEPOSIT - 7n })).toEqual([7n])
    // A deposit that is too small for the voucher grows with each set-off.
    expect(amountWith({ deposit: 40n })).toEqual([40n, 40n, 20n])
  })

  it('behaviour: only rings that this device is in, of three different accounts', () => {
    expect(findRings([edge(1, 1, 2), edge(2, 2, 1)], INIT)).toEqual([])
    expect(findRings([edge(1, 0, 1), edge(2, 1, 1), edge(3, 1, 0)], INIT)).toHaveLength(1)
    expect(findRings([edge(1, 0, 0), edge(2, 0, 0)], INIT)).toEqual([])
    expect(findRings([edge(1, 0, 1), edge(2, 1, 2), edge(3, 2, 3), edge(4, 3, 0)], INIT)).toEqual(
      [],
    )
  })

  it('behaviour: nothing below what a ring is worth', () => {
    const edges = [edge(1, 0, 1), edge(2, 1, 0)]
    expect(findRings(edges, { ...INIT, least: (size) => 50n * BigInt(size) })).toHaveLength(1)
    expect(findRings(edges, { ...INIT, least: () => 101n })).toEqual([])
  })

  it('behaviour: whatever the debts, nobody’s net position changes and no debt is overdrawn', () => {
    const found = { 2: 0, 3: 0 }
    fc.assert(
      fc.property(graph, init, (edges, { least, maxRings }) => {
        const rings = findRings(edges, { ...INIT, least, maxRings })
        expect(rings.length).toBeLessThanOrEqual(maxRings)
        for (const [i, { edges: ring, amount }] of rings.entries()) {
          const before = apply(edges, rings.slice(0, i))
          expect(ring).toEqual(ring.map(({ id }) => before.get(id)))
          expect([2, 3]).toContain(ring.length)
          found[ring.length as 2 | 3]++
          expect(new Set(ring.map(({ config }) => config.payer)).size).toBe(ring.length)
          expect(ring[0]!.config.payer).toBe(ME)
          expect(amount >= least(ring.length) && amount > 0n).toBe(true)
          for (const [j, { config, seen, voucher, acknowledged, deadline }] of ring.entries()) {
            expect(config.payee).toBe(ring[(j + 1) % ring.length]!.config.payer)
            expect([config.flags, seen.status]).toEqual([1, 'open'])
            expect(deadline).toBeGreaterThanOrEqual(NOW)
            for (const limit of [voucher, acknowledged, seen.deposit]) {
              expect(seen.settled + amount <= limit).toBe(true)
            }
            expect(seen.deposit + amount <= MAX_DEPOSIT).toBe(true)
          }
          const bySize = rings.filter((other) => other.edges.length === ring.length)
          expect(bySize.every((other, k) => k === 0 || other.amount <= bySize[k - 1]!.amount)).toBe(
            true,
          )
        }
        const after = apply(edges, rings)
        for (let n = 0; n < 5; n++) {
          expect(worthOf(account(n), after.values())).toBe(worthOf(account(n), edges))
        }
      }),
      { numRuns: 1_000 },
    )
    // Else nothing was tested.
    expect(found[2]).toBeGreaterThan(100)
    expect(found[3]).toBeGreaterThan(20)
  })

  it('behaviour: it ends when no ring is left, and finds the same in any order', () => {
    fc.assert(
      fc.property(graph, fc.nat(), (edges, by) => {
        const rings = findRings(edges, { ...INIT, maxRings: 500 })
        const turned = edges.map((_, i) => edges[(i + by) % edges.length] as Edge).reverse()
        expect(findRings(turned, { ...INIT, maxRings: 500 })).toEqual(rings)
        if (rings.length === 500) return
        expect(findRings([...apply(edges, rings).values()], INIT)).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('behaviour: of two words on one channel the better one counts', () => {
    const edges = [edge(1, 0, 1, { acknowledged: 10n }), edge(1, 0, 1), edge(2, 1, 0)]
    expect(told(findRings(edges, INIT))).toEqual([[[1, 2], 100n]])
    expect(clearable(edge(1, 0, 1, { acknowledged: 10n }))).toBe(10n)
  })
})
