import { auditRate, deterrence, NEW_STANDING } from '@freehold/core/audit/standing'
import { fromHex } from '@freehold/core/bytes'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import {
  type AnswerCost,
  answerCosts,
  type ChannelTotals,
  channelTotals,
  NOTHING_SPENT,
  spentByDay,
} from '@freehold/core/device/ledger'
import { peerName } from '@freehold/core/identity/peer-name'
import { type Command, Option } from 'commander'
import { type GlobalOptions, openCliDevice, withGlobals } from '../context.ts'
import { csv } from '../csv.ts'
import { print, printJson, safe, say, table } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'
import { shownChannel } from './wallet-channels.ts'

interface LedgerOptions extends GlobalOptions {
  why?: boolean
  days?: number
  csv?: 'days' | 'answers' | 'channels' | 'transactions'
}

/** Of the tables that `--csv` prints; an empty one has them too. */
const COLUMNS = {
  days: ['day', ...Object.keys(NOTHING_SPENT)],
  answers: columns(
    'receipt begun lender model tokens priceUnits heldUnits relayFee auditSeconds auditTokens end audit payment',
  ),
  channels: columns(
    'id role status isLeaving isRecovered device deposit due held paid settled relayFee exitDueAtMs seenAtMs',
  ),
  transactions: columns('hash purpose atMs gasUsed feeWei'),
} as const satisfies Record<NonNullable<LedgerOptions['csv']>, readonly string[]>

export function ledgerCommand(command: Command): void {
  command
    .option('--why', 'show for each lender why cheating would not pay')
    .option('--days <number>', 'only the last so many days that had any', wholeNumber)
    .addOption(
      new Option('--csv [table]', 'print one table as comma-separated values')
        .choices(['days', 'answers', 'channels', 'transactions'])
        .preset('days')
        .conflicts('json'),
    )
    .action((options: LedgerOptions) => ledger(options))
  withGlobals(command)
}

async function ledger(options: LedgerOptions): Promise<void> {
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const { tables } = device
  const answers = (await tables.answers.list()).map(([, answer]) => answer)
  const lent = (await tables.lent.list()).map(([, answer]) => answer)
  const records = (await tables.channels.list()).map(([, record]) => record)
  const channels = records.map(shownChannel)
  const of = (role: ChannelRecord['role']) => records.filter((record) => record.role === role)
  const [pays, earns] = [channelTotals(of('payer')), channelTotals(of('payee'))]
  const transactions = (await tables.transactions.list()).map(([, row]) => row)
  const days = [...spentByDay(answers, transactions, records)].slice(-(options.days ?? Infinity))
  const costs = answerCosts(answers, records).map(shownCost)
  const perDay = days.map(([day, spent]) => ({ day, ...spent }))
  if (options.csv) {
    const tables = { days: perDay, answers: costs, channels, transactions }
    return print(csv(COLUMNS[options.csv], tables[options.csv]))
  }
  const relays = (await tables.relayed.list()).map(([, row]) => row)
  // What is owed on a channel is counted there.
  const relayed = relays
    .filter(({ kind, transaction }) => transaction !== null && kind !== 'topUpFromWallet')
    .reduce((sum, { fee }) => sum + fee, 0n)
  const orders = (await tables.orders.list()).map(([, row]) => row)
  const toRelayers = orders
    .filter(({ kind, isDone }) => isDone && kind !== 'topUpFromWallet')
    .reduce((sum, { fee }) => sum + (fee ?? 0n), 0n)
  const standing = await Promise.all(
    [...new Set(answers.map(({ lender }) => lender))].map(async (lender) => {
      const own = (await tables.standing.get(lender)) ?? NEW_STANDING
      const last = answers.findLast((answer) => answer.lender === lender)
      const priceUnits = Number(last?.priceUnits ?? 0n)
      const expected = Object.values(own.pools).flatMap((pool) => Object.values(pool.expected))
      const each = Math.min(...expected) / Math.max(1, own.answers)
      return {
        device: peerName(fromHex(lender)),
        ...own,
        auditRate: auditRate(own),
        deterrence: deterrence(own, {
          priceUnits,
          heldUnits: Number(last?.heldUnits ?? 0n),
          expectedLlr: Number.isFinite(each) ? each : 0,
        }),
      }
    }),
  )
  if (options.json) {
    const borrowed = answers.map((answer) => ({ ...answer, evidence: undefined }))
    return printJson({
      borrowed,
      costs,
      lent,
      channels,
      standing,
      pays: { ...pays, relayed: toRelayers },
      earns: { ...earns, relayed },
      days: perDay,
      transactions,
    })
  }
  section(
    'Borrowed: compute, clearing, coordination',
    ['RECEIPT', 'MODEL', 'TOKENS', 'PRICE', 'RELAYERS', 'SECONDS', 'END', 'AUDIT', 'PAYMENT'],
    costs.map((c) => [
      ...[c.receipt.slice(0, 12), safe(c.model), String(c.tokens)],
      ...[String(c.priceUnits), String(c.relayFee), c.auditSeconds.toFixed(1)],
      ...[c.end, c.audit, c.payment],
    ]),
  )
  section(
    'Lent',
    ['ANSWER', 'TOKENS', 'END', 'UNPAID'],
    lent.map((a) => [a.id.slice(0, 12), String(a.tokens), a.end, a.isUnpaid ? 'yes' : 'no']),
  )
  section(
    'Channels',
    ['CHANNEL', 'ROLE', 'STATUS', 'DEPOSIT', 'DUE', 'HELD', 'PAID', 'SETTLED'],
    channels.map((c) => [
      c.id.slice(0, 12),
      c.role,
      c.status,
      ...[c.deposit, c.due, c.held, c.paid, c.settled].map(String),
    ]),
  )
  const totals = (sum: ChannelTotals) =>
    [sum.due, sum.answers, sum.relayFee, sum.held, sum.lost, sum.settled, sum.setOff].map(String)
  section(
    'Token units',
    ['', 'OWED', 'PAID', 'RELAYERS', 'HELD', 'LOST', 'SETTLED', 'SET OFF'],
    [
      ['this device owes', ...totals(pays)],
      ['it is owed', ...totals(earns)],
    ],
  )
  const earned = earns.answers + earns.relayFee + relayed
  const cleared = pays.relayFee + toRelayers
  print(`Clearing: ${cleared} to relayers, of it ${toRelayers} out of the ledger`)
  print(`Earned: ${earned}, of it ${earns.relayFee + relayed} for submitting what others signed\n`)
  section(
    'By day: compute, clearing, coordination',
    [
      'DAY',
      'ANSWERS',
      'TOKENS',
      'PRICE',
      'TRANSACTIONS',
      'GAS',
      'WEI',
      'AUDITS',
      'SECONDS',
      'AGAIN',
      'SETTLED',
      'SET OFF',
    ],
    days.map(([day, spent]) => [
      ...[day, spent.answers, spent.tokens, spent.priceUnits].map(String),
      ...[spent.transactions, spent.gasUsed, spent.feeWei].map(String),
      ...[spent.audits, spent.auditSeconds.toFixed(1), spent.auditTokens].map(String),
      // What this device paid, and what it was paid.
      `-${spent.settledOut} +${spent.settledIn}`,
      `-${spent.setOffOut} +${spent.setOffIn}`,
    ]),
  )
  if (!options.why) return
  for (const { device: name, deterrence: why, audits, refusedBecause } of standing) {
    const product = why.p * why.d * why.lossUnits
    print(`${name}: ${audits.pass} passed, ${audits.fail} failed, ${audits.pending} pending audits`)
    print(
      `  p ${why.p.toFixed(2)} · d ${why.d.toFixed(2)} · L ${why.lossUnits} = ${product.toFixed(0)} ` +
        `${why.isDeterred ? '≥' : '<'} g ${why.gainUnits}`,
    )
    if (refusedBecause !== null) print(`  not asked again: ${refusedBecause}`)
  }
}

function section(title: string, headings: string[], rows: string[][]): void {
  if (rows.length === 0) say(`${title}: nothing yet`)
  else print(`${title}\n${table(headings, rows)}\n`)
}

function shownCost({ answer, ...cost }: AnswerCost) {
  const { id, lender, modelName, startedAtMs, tokens, end, pooled, isDrawn, payment } = answer
  return {
    receipt: id,
    begun: new Date(startedAtMs).toISOString(),
    lender: peerName(fromHex(lender)),
    model: modelName,
    tokens,
    ...cost,
    end,
    audit: pooled ?? (isDrawn === false ? 'not drawn' : 'none'),
    payment,
  }
}

function columns(names: string): string[] {
  return names.split(' ')
}
