import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Model } from '../engine/engine.ts'
import type { Verdict } from '../wire/frames.ts'
import { calibrate, SEED_IGNORED } from './calibrate.ts'
import { type CalibrationTable, CELLS, cellOf, cellWeights, findTable } from './calibration.ts'
import { createTestModel, createTestRandom, speak } from './model.fixture.ts'
import { type ReplayedPosition, replay } from './replay.ts'
import { summarise } from './statistics.ts'
import {
  addToPool,
  EARLY_STOP,
  EMPTY_POOL,
  type EvidencePool,
  type Judgement,
  judgeAnswer,
  judgePool,
  weigh,
} from './verdict.ts'

const WEIGHTS = 1
const random = createTestRandom(20)
const auditor = createTestModel({ weights: WEIGHTS, device: 1 })
const CHEAPER = 'cheaper'
let table: CalibrationTable

beforeAll(async () => {
  table = await calibrate(
    {
      lenders: [auditor, createTestModel({ weights: WEIGHTS, device: 2 })],
      cheats: { [CHEAPER]: createTestModel({ weights: WEIGHTS, damage: 0.5 }) },
      random,
    },
    {
      prompts: Array.from({ length: 20 }, (_, n) => [n, n + 1, n + 2]),
      maxTokens: 64,
      temperature: 1,
      conditions: 'test',
    },
  )
})

interface Audited {
  positions: ReplayedPosition[]
  judgement: Judgement
  pool: EvidencePool
}

/** One answer and its audit. @param own the lender's dice, when it does not use the agreed ones */
async function audit(
  lender: Model,
  maxTokens: number,
  init: { isSeedIgnored?: boolean; judge?: Model; table?: CalibrationTable | undefined } = {},
): Promise<Audited> {
  const { isSeedIgnored = false, judge = auditor } = init
  const used = 'table' in init ? init.table : table
  const promptIds = [...random(4)].map((byte) => byte % 16)
  const seed = random(32)
  const ids = await speak(lender, { promptIds, seed: isSeedIgnored ? random(32) : seed, maxTokens })
  const positions = await replay(judge, { promptIds, ids, seed, temperature: 1 })
  return {
    positions,
    judgement: judgeAnswer(positions, summarise(positions, null), used),
    pool: weigh(positions, used ?? table),
  }
}

async function verdicts(
  count: number,
  run: () => Promise<Audited>,
): Promise<Record<Verdict, number>> {
  const seen = { pass: 0, fail: 0, pending: 0 }
  for (let i = 0; i < count; i++) seen[(await run()).judgement.verdict]++
  return seen
}

describe('verdicts on simulated lenders', () => {
  it('default: an honest lender on another device never fails', async () => {
    let pool = EMPTY_POOL
    const seen = { pass: 0, fail: 0, pending: 0 }
    for (let i = 0; i < 500; i++) {
      const lender = createTestModel({ weights: WEIGHTS, device: 100 + (i % 10) })
      const { judgement, pool: own } = await audit(lender, 33)
      seen[judgement.verdict]++
      pool = addToPool(pool, own)
      expect(judgePool(pool)).not.toBe('fail')
    }
    expect(seen.fail).toBe(0)
    expect(seen.pass).toBeGreaterThan(300)
    expect(judgePool(pool)).toBe('pass')
  })

  it('behaviour: a lender that uses dice of its own fails with one answer', async () => {
    const lender = createTestModel({ weights: WEIGHTS, device: 3 })
    const seen = await verdicts(20, () => audit(lender, 64, { isSeedIgnored: true }))
    expect(seen).toEqual({ pass: 0, fail: 20, pending: 0 })
  })

  it('behaviour: another model fails with one answer', async () => {
    const lender = createTestModel({ weights: 2, device: 3 })
    expect((await verdicts(20, () => audit(lender, 64))).fail).toBe(20)
  })

  it('behaviour: a cheaper copy of the model fails, alone or when its answers are added up', async () => {
    const lender = createTestModel({ weights: WEIGHTS, damage: 0.5, device: 3 })
    expect((await verdicts(20, () => audit(lender, 64))).pass).toBe(0)
    let pool = EMPTY_POOL
    let answers = 0
    for (; judgePool(pool) !== 'fail' && answers < 20; answers++) {
      pool = addToPool(pool, (await audit(lender, 64)).pool)
    }
    expect(answers).toBeLessThan(10)
  })

  it('behaviour: short answers are pending alone and convict together', async () => {
    const lender = createTestModel({ weights: WEIGHTS, device: 3 })
    let pool = EMPTY_POOL
    let answers = 0
    for (; judgePool(pool) !== 'fail' && answers < 20; answers++) {
      const { judgement, pool: own } = await audit(lender, 8, { isSeedIgnored: true })
      expect(judgement).toMatchObject({ verdict: 'pending', why: expect.stringMatching(/fewer/) })
      pool = addToPool(pool, own)
    }
    expect(answers).toBeLessThan(10)
    const honest = await audit(lender, 31)
    expect(honest.judgement.verdict).toBe('pending')
  })

  it('behaviour: without a table everything is pending', async () => {
    const lender = createTestModel({ weights: 2 })
    const { judgement } = await audit(lender, 64, { isSeedIgnored: true, table: undefined })
    expect(judgement).toMatchObject({
      verdict: 'pending',
      why: expect.stringMatching(/calibration/),
    })
  })

  it('behaviour: a cheat that says what anybody would say is not convicted', async () => {
    const plain = createTestModel({ weights: WEIGHTS, spread: 1e5, device: 3 })
    const judge = createTestModel({ weights: WEIGHTS, spread: 1e5, device: 1 })
    const seen = await verdicts(20, () => audit(plain, 64, { isSeedIgnored: true, judge }))
    // Nor is it cleared: such text is no evidence either way.
    expect(seen).toEqual({ pass: 0, fail: 0, pending: 20 })
    // And it is known beforehand that such text shows little.
    const { pool } = await audit(plain, 64, { judge })
    const { pool: usual } = await audit(auditor, 64)
    expect(pool.expected[SEED_IGNORED]).toBeLessThan(0.5 * usual.expected[SEED_IGNORED]!)
  })

  it('behaviour: tokens that are no candidates fail', async () => {
    const positions: ReplayedPosition[] = Array.from({ length: 40 }, (_, i) =>
      i < 3
        ? { margin: Infinity, gap: 1, isOut: true, lpMilli: -32_768 }
        : { margin: 0, gap: 1, isOut: false, lpMilli: -100 },
    )
    const { verdict } = judgeAnswer(positions, summarise(positions, null), table)
    expect(verdict).toBe('fail')
  })
})

describe('pooling', () => {
  const answer = (llr: Record<string, number>, expected = llr): EvidencePool => ({
    answers: 1,
    tokens: 0,
    llr,
    expected,
  })

  it('default: adds answers up by way to cheat', () => {
    const pool = addToPool(answer({ a: 3, b: -2 }), answer({ a: 4 }))
    expect(pool).toMatchObject({ answers: 2, llr: { a: 7, b: -2 } })
    expect(judgePool(EMPTY_POOL)).toBe('pending')
    expect(judgePool(pool)).toBe('pending')
    expect(judgePool(answer({ a: -5, b: -5 }))).toBe('pass')
    expect(judgePool(answer({ a: -5, b: -4 }))).toBe('pending')
    expect(judgePool(answer({ a: 14 }))).toBe('fail')
  })

  it('behaviour: a pass speaks of what an answer can tell, a fail of everything', () => {
    expect(judgePool(answer({ a: -5, faint: -1 }, { a: 9 }))).toBe('pass')
    expect(judgePool(answer({ a: -5, faint: 14.6 }, { a: 9 }))).toBe('fail')
    expect(judgePool(answer({ a: -4, faint: -9 }, { a: 9 }))).toBe('pending')
    expect(judgePool(answer({ a: -5 }, {}))).toBe('pending')
    expect(judgePool(answer({ a: -5, [EARLY_STOP]: -0.1 }, { a: 9 }))).toBe('pass')
    expect(judgePool(answer({ a: -5, [EARLY_STOP]: 0.1 }, { a: 9 }))).toBe('pending')
  })

  it('behaviour: the line rises with the ways to cheat that are tried', () => {
    expect(judgePool(answer({ a: 14 }))).toBe('fail')
    expect(judgePool(answer({ a: 14, b: 0 }))).toBe('pending')
    expect(judgePool(answer({ a: 14.6, b: 0 }))).toBe('fail')
  })

  it('behaviour: a long honest past buys no cheating', async () => {
    const lender = createTestModel({ weights: WEIGHTS, device: 3 })
    let pool = EMPTY_POOL
    for (let i = 0; i < 40; i++) pool = addToPool(pool, (await audit(lender, 64)).pool)
    for (const ratio of Object.values(pool.llr)) expect(ratio).toBeGreaterThan(-9.3)
    let bad = 0
    for (; judgePool(pool) !== 'fail' && bad < 20; bad++) {
      pool = addToPool(pool, (await audit(lender, 64, { isSeedIgnored: true })).pool)
    }
    expect(bad).toBeLessThanOrEqual(2)
  })

  it('behaviour: no order of answers takes a pool below its floor', () => {
    const ratios = fc.array(fc.double({ min: -50, max: 13, noNaN: true }), { maxLength: 30 })
    fc.assert(
      fc.property(ratios, (list) => {
        const pool = list.reduce((sum, a) => addToPool(sum, answer({ a })), EMPTY_POOL)
        expect(pool.llr.a ?? 0).toBeGreaterThanOrEqual(-9.3)
        // One more answer that alone would convict twice over always does.
        expect(judgePool(addToPool(pool, answer({ a: 24 })))).toBe('fail')
      }),
    )
  })
})

describe('ends of texts', () => {
  const END = 15
  const honest = createTestModel({ weights: WEIGHTS, device: 1, endId: END })
  let ending: CalibrationTable

  beforeAll(async () => {
    const lenders = [honest, createTestModel({ weights: WEIGHTS, device: 2, endId: END })]
    ending = await calibrate(
      { lenders, cheats: {}, random },
      {
        prompts: Array.from({ length: 30 }, (_, n) => [n % 15, (n + 1) % 15, (n + 2) % 15]),
        maxTokens: 64,
        temperature: 1,
        conditions: 'test',
        throws: 4,
      },
    )
  })

  /** An answer of at most 60 tokens; after `cut` of them the lender says that it is over. */
  async function answered(device: number, cut = Infinity): Promise<Audited> {
    const lender = createTestModel({ weights: WEIGHTS, device, endId: END })
    const promptIds = [...random(4)].map((byte) => byte % 15)
    const seed = random(32)
    const whole = await speak(lender, { promptIds, seed, maxTokens: 60 })
    const ids = cut < whole.length ? [...whole.slice(0, cut), END] : whole
    const positions = await replay(honest, { promptIds, ids, seed, temperature: 1 })
    const init = { isEnded: ids.at(-1) === END }
    return {
      positions,
      judgement: judgeAnswer(positions, summarise(positions, null), ending, init),
      pool: weigh(positions, ending, init),
    }
  }

  it('default: true ends, of whatever number, convict nobody', async () => {
    let pool = EMPTY_POOL
    let ends = 0
    for (let i = 0; i < 300; i++) {
      const { judgement, pool: own } = await answered(100 + (i % 10))
      expect(judgement.verdict).not.toBe('fail')
      if (own.llr[EARLY_STOP] !== 0) ends++
      pool = addToPool(pool, own)
      expect(judgePool(pool)).not.toBe('fail')
    }
    expect(ends).toBeGreaterThan(50)
    expect(pool.llr[EARLY_STOP]).toBeLessThan(0)
    expect(judgePool(pool)).toBe('pass')
  })

  it('behaviour: one early stop is no pass, a handful convict', async () => {
    let pool = EMPTY_POOL
    let answers = 0
    for (; judgePool(pool) !== 'fail' && answers < 20; answers++) {
      const { judgement, pool: own } = await answered(3, 40)
      if (own.llr[EARLY_STOP]! > 0) expect(judgement.verdict).toBe('pending')
      pool = addToPool(pool, own)
    }
    expect(pool.llr[EARLY_STOP]).toBeGreaterThan(14)
    expect(answers).toBeLessThan(12)
  })

  it('behaviour: who stops early in one answer of four is convicted in the end', async () => {
    let pool = EMPTY_POOL
    let answers = 0
    for (; judgePool(pool) !== 'fail' && answers < 200; answers++) {
      pool = addToPool(pool, (await answered(3, answers % 4 === 3 ? 12 : Infinity)).pool)
    }
    expect(answers).toBeLessThan(80)
  })

  it('behaviour: what an end says is bounded, and never turns into a pass', () => {
    const position = fc.record({
      margin: fc.constantFrom(0, 0.01, 0.1, 0.3, 0.7, 5),
      gap: fc.constantFrom(0.01, 0.1, 0.7, 3, 20),
      isOut: fc.constant(false),
      lpMilli: fc.constant(0),
    })
    fc.assert(
      fc.property(fc.array(position, { minLength: 1, maxLength: 80 }), (positions) => {
        const said = weigh(positions, ending, { isEnded: true }).llr
        const { [EARLY_STOP]: own, ...others } = said
        expect(own).toBeGreaterThan(-0.14)
        expect(own).toBeLessThanOrEqual(4)
        expect(weigh(positions, ending).llr).toEqual({ ...others, [EARLY_STOP]: 0 })
        const judge = (isEnded: boolean) =>
          judgeAnswer(positions, summarise(positions, null), ending, { isEnded }).verdict
        if (judge(true) === 'pass') expect(judge(false)).toBe('pass')
        if (judge(false) === 'fail') expect(judge(true)).toBe('fail')
      }),
    )
  })

  it('behaviour: a model without an end has no such kind', () => {
    expect(table.earlyStop).toEqual([])
    expect(Object.keys(weigh([], table, { isEnded: true }).llr)).not.toContain(EARLY_STOP)
  })
})

describe('faint cheats', () => {
  const cells = (match: number, miss: number) =>
    Array.from({ length: CELLS }, (_, cell) => (cell % 7 === 0 ? match : cell % 7 < 3 ? miss : 0))
  const positions: ReplayedPosition[] = new Array<ReplayedPosition>(64).fill({
    margin: 0,
    gap: 0.7,
    isOut: false,
    lpMilli: 0,
  })
  const plain: CalibrationTable = {
    modelId: '',
    modelName: '',
    lenderBackend: 'cpu',
    auditorBackend: 'cpu',
    conditions: 'made up',
    honest: cells(100_000, 50),
    cheats: { coarse: cells(90_000, 5_000) },
    earlyStop: [],
    leftOut: {},
    failLines: [],
  }

  it('default: stand in the way of no pass', () => {
    const faint = cells(100_000, 200)
    const both = { ...plain, cheats: { ...plain.cheats, faint } }
    for (const each of [plain, both]) {
      expect(judgeAnswer(positions, summarise(positions, null), each).verdict).toBe('pass')
    }
    const { llr, expected } = weigh(positions, both)
    expect(Object.keys(llr)).toEqual(['coarse', 'faint'])
    expect(llr.faint).toBeGreaterThan(-Math.log(100))
    expect(Object.keys(expected)).toEqual(['coarse'])
  })

  it('behaviour: convict by many answers', () => {
    const miss = { margin: 0.01, gap: 0.7, isOut: false, lpMilli: 0 }
    const both = { ...plain, cheats: { faint: cells(100_000, 1_000) } }
    const answer = [...positions, miss]
    let pool = EMPTY_POOL
    let answers = 0
    for (; judgePool(pool) !== 'fail' && answers < 100; answers++) {
      pool = addToPool(pool, weigh(answer, both))
    }
    expect(answers).toBeGreaterThan(3)
    expect(answers).toBeLessThan(100)
  })
})

describe('calibration', () => {
  it('default: every position has a cell, and every cell a weight', () => {
    const margins = [0, 0.01, 0.1, 0.3, 0.7, 2]
    const gaps = [0.01, 0.1, 0.3, 0.7, 1.5, 3, 5, 10, Infinity]
    const cells = new Set<number>()
    for (const gap of gaps) {
      for (const margin of margins) cells.add(cellOf({ gap, margin, isOut: false, lpMilli: 0 }))
      cells.add(cellOf({ gap, margin: Infinity, isOut: true, lpMilli: 0 }))
    }
    expect([...cells].sort((a, b) => a - b)).toEqual(Array.from({ length: CELLS }, (_, i) => i))
    const weights = cellWeights(table.honest, table.cheats[SEED_IGNORED]!)
    expect(weights).toHaveLength(CELLS)
    expect(weights.every((weight) => Math.abs(weight) <= 4)).toBe(true)
  })

  it('behaviour: a match speaks for a lender, a clear mismatch against it', () => {
    const weights = cellWeights(table.honest, table.cheats[SEED_IGNORED]!)
    const weightOf = (gap: number, margin: number) =>
      weights[cellOf({ gap, margin, isOut: false, lpMilli: 0 })]!
    expect(weightOf(0.7, 0)).toBeLessThan(-0.3)
    expect(weightOf(0.7, 0.7)).toBeGreaterThan(2)
    // The mix of plain and open text is no evidence: equal shares within a row weigh nothing.
    const flat = new Array<number>(CELLS).fill(10)
    expect(
      cellWeights(
        flat,
        flat.map((n) => n * 7),
      ).every((w) => Math.abs(w) < 0.1),
    ).toBe(true)
  })

  it('behaviour: counts every position of every pair', () => {
    const sum = (cells: readonly number[]) => cells.reduce((total, count) => total + count, 0)
    expect(sum(table.honest)).toBe(20 * 64 * 2 * 2)
    expect(sum(table.cheats[SEED_IGNORED]!)).toBe(20 * 64 * 2 * 2)
    expect(sum(table.cheats[CHEAPER]!)).toBe(20 * 64 * 2)
    expect(table.failLines.map(({ tokens }) => tokens)).toEqual([32, 64, 128, 256, 512])
    for (const { meanClippedMargin } of table.failLines) {
      expect(meanClippedMargin).toBeGreaterThan(0)
      expect(meanClippedMargin).toBeLessThan(0.2)
    }
  })

  it('behaviour: lines are above the roughest pair alone, not above the average', async () => {
    const rough = createTestModel({ weights: WEIGHTS, device: 5, noise: 0.6 })
    const lineWith = async (...lenders: Model[]) => {
      const made = await calibrate(
        { lenders, auditors: [auditor], cheats: {}, random },
        {
          prompts: Array.from({ length: 6 }, (_, n) => [n, n + 1, n + 2]),
          maxTokens: 64,
          temperature: 1,
          conditions: 'test',
        },
      )
      return made.failLines.at(-1)!.meanClippedMargin
    }
    const alone = await lineWith(rough)
    expect(alone).toBeGreaterThan(0.05)
    const calm = [2, 3, 4, 6, 7].map((device) => createTestModel({ weights: WEIGHTS, device }))
    expect(await lineWith(...calm, rough)).toBeGreaterThan(0.6 * alone)
  })

  it('behaviour: a table serves its model and its pair of back-ends only', () => {
    const cpu = { backend: 'cpu', kvType: 'f16' } as const
    const find = (id: string, lender: 'cpu' | 'cuda', judge: 'cpu' | 'cuda') =>
      findTable([table], id, { ...cpu, backend: lender }, { ...cpu, backend: judge })
    expect(findTable([table], table.modelId, cpu, cpu)).toBe(table)
    expect(find('0'.repeat(64), 'cpu', 'cpu')).toBeUndefined()
    expect(find(table.modelId, 'cuda', 'cpu')).toBeUndefined()
    expect(find(table.modelId, 'cpu', 'cuda')).toBeUndefined()
    const coarse = { ...cpu, kvType: 'q8_0' } as const
    expect(findTable([table], table.modelId, coarse, cpu)).toBeUndefined()
  })
})
