import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { Device } from '@freehold/core/device/device'
import type { OrderDone, RelayInit, RelayQuote } from '@freehold/core/device/relaying'
import { ClearingError, UsageError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import { Command } from 'commander'
import type { Address } from 'viem'
import { type GlobalOptions, openCliDevice } from '../context.ts'
import { printJson, say } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

interface OrderOptions extends GlobalOptions {
  relay?: string
  yes?: boolean
  maxFee?: number
}

/** What moves money on the chain: by this device with native coin, else by a relayer for a fee. */
export function addOrderCommands(add: (sub: Command) => unknown): void {
  const order = (sub: Command) =>
    add(
      sub
        .option('--relay <address>', 'device that submits it, instead of the cheapest known one')
        .option('--yes', 'agree to the fee that whoever submits it offered')
        .option('--max-fee <units>', 'agree to any fee up to that, and to none above', wholeNumber),
    )
  order(
    new Command('open')
      .description('open a channel to a lender: no native coin is needed')
      .argument('<address>', 'the lender')
      .argument('<amount>', 'deposit in token units', units)
      .action(open),
  )
  order(
    new Command('top-up')
      .description('add to a channel: from the ledger where that covers it, else from the wallet')
      .argument('<channel>', 'its id, or the first digits of it')
      .argument('<amount>', 'token units', units)
      .action(topUp),
  )
  order(
    new Command('deposit')
      .description('move token units of the wallet into the ledger, which channels are opened from')
      .argument('<amount>', 'token units, of which a relayer’s fee is paid', units)
      .action(deposit),
  )
  order(
    new Command('close')
      .description('ask for a channel’s deposit back; a second time, after the delay, to get it')
      .argument('<channel>', 'its id, or the first digits of it')
      .action(close),
  )
  order(
    new Command('withdraw')
      .description('move earned token units out of the ClearingHouse')
      .argument('<amount>', 'token units, or all', (text) => (text === 'all' ? text : units(text)))
      .argument('[to]', 'address; without one this device’s own account', recipient)
      .action(withdraw),
  )
}

/** What the contract keeps for a channel has 120 bits. */
const LIMIT = 2n ** 120n

function units(text: string): bigint {
  if (/^\d{1,37}$/.test(text) && BigInt(text) > 0n && BigInt(text) < LIMIT) return BigInt(text)
  throw new UsageError({
    what: `"${text.length > 40 ? `${text.slice(0, 40)}…` : text}" is no amount`,
    next: 'It is a whole number of token units, above 0 and below 2^120',
  })
}

function recipient(text: string): Address {
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return text as Address
  throw new UsageError({
    what: `"${text}" is no address`,
    next: 'It is 0x and 40 hexadecimal digits',
  })
}

const openWallet = ({ chain }: OrderOptions) =>
  openCliDevice({ listen: [], needsKeys: true, chain })

/** Shows what a relayer asks before anything is signed, and asks the person unless it is free. */
function relayInit({ relay, yes, maxFee }: OrderOptions): RelayInit {
  const agree = async ({ relayer, fee, isRaised }: RelayQuote): Promise<boolean> => {
    const more = isRaised ? ', more than it offered, since gas is dear now' : ''
    say(`Device ${peerName(relayer)} submits it for ${fee} token units${more}`)
    if (maxFee !== undefined) return fee <= BigInt(maxFee)
    // Nobody agreed beforehand to what a relayer may come up with.
    if (fee === 0n || (yes && !isRaised)) return true
    if (!process.stdin.isTTY) {
      throw new UsageError({
        what: `nobody can be asked whether ${fee} token units are fine`,
        next: isRaised ? 'Agree with --max-fee' : 'Agree with --yes',
      })
    }
    const { confirm, isCancel } = await import('@clack/prompts')
    const answer = await confirm({ message: 'Pay that?', output: process.stderr })
    return !isCancel(answer) && answer
  }
  return { relay, agree }
}

/** As a person reads it, or a program. */
function report(done: OrderDone, sentence: string, more: Record<string, unknown>, json = false) {
  const { kind, fee, transaction, gasUsed } = done
  const relayer = done.relayer && peerName(done.relayer)
  if (json) return printJson({ ...more, kind, fee, relayer, transaction, gasUsed })
  say(sentence)
  if (relayer !== null) say(`${relayer} submitted it for ${fee} token units`)
  say(transaction === null ? 'In which transaction is not known' : `Transaction ${transaction}`)
}

async function open(address: string, amount: bigint, options: OrderOptions): Promise<void> {
  await using device = await openWallet(options)
  const known = await device.peers.ask(address)
  const init = relayInit(options)
  const { record, transaction, fee } = await device.channels.open(known, amount, init)
  if (options.json) printJson({ channel: record.id, deposit: record.deposit, transaction, fee })
  else say(`Channel ${record.id} is open with ${record.deposit} token units, for a fee of ${fee}`)
}

async function topUp(prefix: string, amount: bigint, options: OrderOptions): Promise<void> {
  await using device = await openWallet(options)
  const { id } = await ownChannel(device, prefix)
  const done = await device.wallet.topUp({ channel: id, amount, ...relayInit(options) })
  const deposit = (await device.tables.channels.get(id))?.deposit
  const more = { channel: id, deposit }
  report(done, `Channel ${id} has ${deposit} token units now`, more, options.json)
}

async function deposit(amount: bigint, options: OrderOptions): Promise<void> {
  await using device = await openWallet(options)
  const done = await device.wallet.deposit({ amount, ...relayInit(options) })
  const { ledger } = await device.balances()
  report(done, `The ledger holds ${ledger} token units now`, { amount, ledger }, options.json)
}

async function close(prefix: string, options: OrderOptions): Promise<void> {
  await using device = await openWallet(options)
  const { id } = await ownChannel(device, prefix)
  const { status, ...done } = await device.channels.leave(id, relayInit(options))
  report(done, `Channel ${id} is ${status}`, { channel: id, status }, options.json)
}

async function withdraw(
  amount: bigint | 'all',
  to: Address | undefined,
  options: OrderOptions,
): Promise<void> {
  await using device = await openWallet(options)
  const target = to ?? device.identity?.wallet.address
  if (target === undefined) throw new ClearingError({ what: 'this device has no keys yet' })
  const done = await device.wallet.withdraw({
    to: target,
    amount,
    ...relayInit(options),
  })
  const what = amount === 'all' ? 'all' : String(amount)
  report(done, `Withdrew ${what} to ${target}`, { to: target, amount: what }, options.json)
}

async function ownChannel({ tables }: Device, prefix: string): Promise<ChannelRecord> {
  const all = (await tables.channels.list()).map(([, record]) => record)
  const found = all.filter(({ id, role }) => role === 'payer' && id.startsWith(prefix))
  const [record] = found
  if (record !== undefined && found.length === 1) return record
  throw new UsageError({ what: 'no one channel starts so', next: 'See freehold wallet channels' })
}
