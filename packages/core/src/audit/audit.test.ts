import { describe, expect, it } from 'vitest'
import { filled, makeTestAnswer, TEST_PHRASE } from '../answer.fixture.ts'
import { deriveIdentity } from '../identity/identity.ts'
import type { Evidence } from '../lending/evidence.ts'
import type { Finish } from '../wire/frames.ts'
import {
  answerHash,
  answerSeed,
  firstRunningHash,
  lpCommitment,
  nextRunningHash,
  signedHash,
} from '../wire/transcript.ts'
import { auditAnswer, judgeReplay } from './audit.ts'
import { type CalibrationTable, CELLS } from './calibration.ts'
import { createTestModel, speak } from './model.fixture.ts'
import { EARLY_STOP } from './verdict.ts'

const model = createTestModel({ weights: 1, device: 1 })
const lender = await deriveIdentity(TEST_PHRASE, 1)
const { evidence: template } = await makeTestAnswer()
const { profile } = model.info
/** Matches are honest, the rest is a cheat's: enough to see that a table is used. */
const table: CalibrationTable = {
  modelId: model.info.modelId,
  modelName: '',
  lenderBackend: 'cpu',
  auditorBackend: 'cpu',
  conditions: 'made up',
  honest: Array.from({ length: CELLS }, (_, cell) => (cell % 7 === 0 ? 1_000 : 0)),
  cheats: { dice: new Array<number>(CELLS).fill(100) },
  earlyStop: [],
  leftOut: {},
  failLines: [{ tokens: 32, meanClippedMargin: 0.1, hard: 3 }],
}
const now = () => 1_000
const components = { model, tables: [table], now }

/** An answer that was broken off after its tokens were signed. */
async function answered(count: number, isSeedIgnored = false): Promise<Evidence> {
  const { n } = template
  const request = { ...template.terms.request, promptIds: [1, 2, 3] }
  const terms = { ...template.terms, request }
  const seed = isSeedIgnored ? filled(32, 1) : answerSeed(terms, n)
  const { promptIds } = request
  const ids = await speak(model, { promptIds, seed, temperature: 0.8, maxTokens: count })
  const lpCommits = ids.map((_, t) => lpCommitment(filled(32, 2), t, -5))
  const answer = answerHash(terms)
  const runningHash = ids.reduce(
    (h, id, t) => nextRunningHash(h, id, lpCommits[t] as Uint8Array),
    firstRunningHash(answer),
  )
  const sig = await lender.sign(signedHash(answer, count, runningHash))
  const signed = { count, runningHash, sig }
  return { lender: lender.device, terms, n, ids, lpCommits, signed, receipt: null }
}

describe('auditAnswer', () => {
  it('default: what a lender signed passes when it is the model’s', async () => {
    const audit = await auditAnswer(await answered(40), profile, components)
    expect(audit).toMatchObject({ verdict: 'pass', statistics: { positions: 40, matches: 1 } })
    expect(audit.pool).toMatchObject({ answers: 1, tokens: 40 })
  })

  it('behaviour: other dice fail', async () => {
    const audit = await auditAnswer(await answered(40, true), profile, components)
    expect(audit.verdict).toBe('fail')
  })

  it('behaviour: what the lender did not sign convicts nobody', async () => {
    const bad = await answered(40, true)
    const forged = { ...bad, ids: bad.ids.with(0, 9) }
    const stranger = { ...bad, lender: filled(32, 3) }
    for (const evidence of [forged, stranger, { ...bad, signed: null }]) {
      const audit = await auditAnswer(evidence, profile, components)
      expect(audit).toMatchObject({ verdict: 'pending', pool: { answers: 0 } })
      expect(audit.why).toMatch(/no evidence/)
    }
  })

  it('behaviour: tokens beyond the last signature are nobody’s word', async () => {
    const whole = await answered(40)
    const more = [...whole.ids, 9, 9, 9]
    const lpCommits = [...whole.lpCommits, filled(16, 0), filled(16, 0), filled(16, 0)]
    const audit = await auditAnswer({ ...whole, ids: more, lpCommits }, profile, components)
    expect(audit).toMatchObject({ verdict: 'pass', statistics: { positions: 40 } })
  })

  it('behaviour: without a table it measures and decides nothing', async () => {
    const bad = await answered(40, true)
    for (const init of [
      { lender: profile, tables: [] },
      { lender: { ...profile, backend: 'cuda' as const }, tables: [table] },
      { lender: { ...profile, kvType: 'q8_0' as const }, tables: [table] },
    ]) {
      const audit = await auditAnswer(bad, init.lender, { model, tables: init.tables, now })
      expect(audit).toMatchObject({ verdict: 'pending', pool: { answers: 0 } })
      expect(audit.statistics.matches).toBeLessThan(0.6)
    }
  })
})

describe('judgeReplay', () => {
  /** Cut texts end far from the model's choice. */
  const earlyStop = Array.from({ length: CELLS }, (_, cell) => (cell % 7 === 5 ? 100 : 0))
  const { modelId } = model.info
  const about = { modelId, lender: profile, tables: [{ ...table, earlyStop }] }
  const { receipt } = template

  it('default: a claimed end is held against the model’s choice there', () => {
    const last = { margin: 3, gap: 0.7, isOut: false, lpMilli: 0 }
    const replay = { positions: [last], auditor: profile, seconds: 0 }
    const endOf = (finish: Finish) => {
      const evidence = { ...template, receipt: { ...receipt!, body: { ...receipt!.body, finish } } }
      const { llr, pool } = judgeReplay(evidence, replay, about)
      expect(llr).toEqual(pool.llr)
      return llr[EARLY_STOP]
    }
    expect(endOf('eos')).toBeGreaterThan(2)
    expect(endOf('stop')).toBe(endOf('eos'))
    expect([endOf('length'), endOf('abort')]).toEqual([0, 0])
    // What was broken off claims no end.
    const broken = judgeReplay({ ...template, receipt: null }, replay, about)
    expect(broken.pool.llr[EARLY_STOP]).toBe(0)
  })
})
