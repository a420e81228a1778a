import { replayEvidence } from '@freehold/core/audit/replay'
import type { Standing } from '@freehold/core/audit/standing'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { AnswerRecord, LentRecord } from '@freehold/core/device/records'
import type { Model } from '@freehold/core/engine/engine'
import { checkEvidence } from '@freehold/core/lending/evidence'
import { pathsOf } from '../config.ts'
import { rawPrice, roundUp } from '../device/town.fixture.ts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'
import { blame, type Tally } from './tally.ts'

/** Lender and model are honest and alike, so that only noise of batching is left, in logits. */
const MOST_MARGIN = 0.5

/** What is on a device's disk when all its processes are dead. */
export interface Disk {
  channels: ChannelRecord[]
  answers: AnswerRecord[]
  lent: LentRecord[]
  standing: Standing[]
}

export async function readDisk(home: string): Promise<Disk> {
  await using storage = openSqliteStorage(pathsOf({ home }).database)
  const rows = async <T>(name: string): Promise<T[]> =>
    (await storage.table<T>(name).list()).map(([, row]) => row)
  return {
    channels: await rows('channels'),
    answers: await rows('answers'),
    lent: await rows('lent'),
    standing: await rows('standing'),
  }
}

/** Compares two disks with each other and with the model; both devices had time to come to rest. */
export async function verifyDisks(
  tally: Tally,
  { borrower, lender }: { borrower: Disk; lender: Disk },
  { model, windowTokens, where }: { model: Model; windowTokens: number; where: string },
): Promise<ChannelRecord[]> {
  const payers = borrower.channels.filter(({ role }) => role === 'payer')
  const paid = new Map<string, number>()
  for (const answer of borrower.answers) {
    tally.answers++
    if (answer.end !== 'receipt') tally.brokenOff++
    const count = await verifyAnswer(tally, answer, model, where)
    paid.set(answer.id, count)
  }
  for (const payer of payers) verifyChannel(tally, payer, { borrower, lender, where })
  for (const { id, tokens, end } of lender.lent) {
    blame(tally, 'stuck', Number(end === 'running'), `${where}: lent answer ${id} never ended`)
    const unpaid = tokens - (paid.get(id) ?? 0)
    tally.mostUnpaidTokens = Math.max(tally.mostUnpaidTokens, unpaid)
    blame(
      tally,
      'unitsLost',
      unpaid - windowTokens,
      `${where}: lent answer ${id} (${end}) made ${tokens}, of which ${paid.get(id)} can be shown`,
    )
  }
  for (const { refusedBecause } of borrower.standing) {
    const why = `${where}: an honest lender was convicted (${refusedBecause})`
    blame(tally, 'answersWrong', Number(refusedBecause !== null), why)
  }
  return payers
}

/** @returns the tokens that can be shown */
async function verifyAnswer(
  tally: Tally,
  { id, end, payment, tokens, evidence }: AnswerRecord,
  model: Model,
  where: string,
): Promise<number> {
  const about = `${where}: answer ${id}`
  const isOpen = end === 'running' || payment === 'open'
  blame(tally, 'stuck', Number(isOpen), `${about} is ${end}, ${payment}`)
  const count = evidence?.signed?.count ?? 0
  blame(
    tally,
    'answersWrong',
    Number(count !== tokens),
    `${about} counts ${tokens}, shows ${count}`,
  )
  if (evidence === null || count === 0) return 0
  const why = await checkEvidence(evidence)
  blame(tally, 'answersWrong', Number(why !== null), `${about}: ${why}`)
  const positions = await replayEvidence(model, evidence)
  const worst = Math.max(...positions.map(({ margin }) => margin))
  blame(tally, 'answersWrong', Number(worst > MOST_MARGIN), `${about} is off by ${worst}`)
  return count
}

function verifyChannel(
  tally: Tally,
  payer: ChannelRecord,
  { borrower, lender, where }: { borrower: Disk; lender: Disk; where: string },
): void {
  const about = `${where}: channel ${payer.id}`
  const payee = lender.channels.find(({ id }) => id === payer.id)
  const own = borrower.answers.filter(({ channelId }) => channelId === payer.id)
  const raw = own.filter(({ tokens }) => tokens > 0).reduce((sum, one) => sum + rawPrice(one), 0n)
  const cost = payer.relayFee + roundUp(raw)
  const received = payee?.cumulative ?? 0n
  blame(tally, 'unitsChargedTwice', payer.cumulative - cost, `${about}: signed beyond the evidence`)
  blame(tally, 'unitsLost', cost - payer.cumulative, `${about}: shown and never signed`)
  blame(tally, 'unitsLost', payer.cumulative - received, `${about}: signed and not received`)
  blame(tally, 'unitsChargedTwice', received - payer.cumulative, `${about}: received, not signed`)
  const booked = roundUp((payee?.paidRaw ?? 0n) - payer.paidRaw)
  blame(tally, 'unitsChargedTwice', booked, `${about}: booked twice`)
  for (const [side, record] of Object.entries({ payer, payee })) {
    const left = Object.entries(record?.answers ?? {}).map(([id, { state }]) => `${id} ${state}`)
    blame(tally, 'stuck', left.length, `${about}: at the ${side} ${left.join(', ')}`)
  }
  const waiting = Object.keys(payer.undelivered).length
  blame(tally, 'stuck', waiting, `${about}: vouchers that were never delivered`)
}
