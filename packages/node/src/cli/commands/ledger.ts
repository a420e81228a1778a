import { auditRate, deterrence, NEW_STANDING } from '@freehold/core/audit/standing'
import { fromHex } from '@freehold/core/bytes'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import { type ChannelTotals, channelTotals, spentByDay } from '@freehold/core/device/ledger'
import { peerName } from '@freehold/core/identity/peer-name'
import type { Command } from 'commander'
import { type GlobalOptions, openCliDevice, withGlobals } from '../context.ts'
import { print, printJson, say, table } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'
import { shownChannel } from './wallet-channels.ts'

interface LedgerOptions extends GlobalOptions {
  why?: boolean
  days?: number
}

export function ledgerCommand(command: Command): void {
  command
    .option('--why', 'show for each lender why cheating would not pay')
    .option('--days <number>', 'only the last so many days that had any', wholeNumber)
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
  const days = [...spentByDay(answers, transactions)].slice(-(options.days ?? Infinity))
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
    const perDay = days.map(([day, spent]) => ({ day, ...spent }))
    return printJson({
      borrowed,
      lent,
      channels,
      standing,
      pays,
      earns,
      days: perDay,
      transactions,
    })
  }
  answers.sort((a, b) => a.startedAtMs - b.startedAtMs)
  section(
    'Borrowed',
    ['RECEIPT', 'MODEL', 'TOKENS', 'PRICE', 'END', 'AUDIT', 'PAYMENT'],
    answers.map((a) => [
      a.id.slice(0, 12),
      a.modelName,
      String(a.tokens),
      String(a.priceUnits),
      a.end,
      a.pooled ?? (a.isDrawn === false ? 'not drawn' : 'none'),
      a.payment,
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
  const totals = ({ due, answers: paid, relayFee, held, lost, settled }: ChannelTotals) =>
    [due, paid, held, lost, relayFee, settled].map(String)
  section(
    'Token units',
    ['', 'OWED', 'PAID', 'HELD', 'LOST', 'RELAYERS', 'SETTLED'],
    [
      ['this device owes', ...totals(pays)],
      ['it is owed', ...totals(earns)],
    ],
  )
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
    ],
    days.map(([day, spent]) => [
      ...[day, spent.answers, spent.tokens, spent.priceUnits].map(String),
      ...[spent.transactions, spent.gasUsed, spent.feeWei].map(String),
      ...[spent.audits, spent.auditSeconds.toFixed(1), spent.auditTokens].map(String),
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
