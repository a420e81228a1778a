import { text as readAll } from 'node:stream/consumers'
import { fromHex } from '@freehold/core/bytes'
import { NAME_A_CHAIN } from '@freehold/core/clearing/chain'
import type { Keeper } from '@freehold/core/clearing/keeper'
import type { Device } from '@freehold/core/device/device'
import { ClearingError, UsageError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { Command } from 'commander'
import { pathsOf, readEnvironment, readSettings, setOffOf } from '../../config.ts'
import { hasVaultFile, writeVaultFile } from '../../storage/vault-file.ts'
import {
  askPassphrase,
  cliPaths,
  type GlobalOptions,
  openCliDevice,
  withGlobals,
} from '../context.ts'
import { describeRing } from '../describe-ring.ts'
import { print, printJson, say, table } from '../output.ts'
import { blockNumber } from '../whole-number.ts'
import { channelsCommand } from './wallet-channels.ts'
import { limitsCommand } from './wallet-limits.ts'
import { addOrderCommands } from './wallet-orders.ts'

export function walletCommand(command: Command): void {
  const add = (sub: Command) => command.addCommand(withGlobals(sub))
  add(
    new Command('init')
      .description('make the keys of this device, encrypted under a passphrase')
      .option('--restore', 'read an owner phrase from stdin instead of making a new one')
      .action(init),
  )
  add(new Command('show').description('show accounts and balances').action(show))
  addOrderCommands(add)
  add(channelsCommand())
  add(new Command('settle').description('settle what others owe this device now').action(settle))
  add(
    new Command('vouchers')
      .description('print what others owe, for a device that watches while this one is away')
      .action(vouchers),
  )
  add(
    new Command('set-off')
      .description('cancel what this device owes against what it is owed, without moving tokens')
      .option('--dry-run', 'only show what could be set off, and for how much gas')
      .action(setOff),
  )
  add(
    new Command('recover')
      .description('find this device’s channels on the chain, after its disk was lost')
      .argument('[address...]', 'lenders to ask for the highest voucher that they hold')
      .option(
        '--from-block <number>',
        'look from there on: when the ClearingHouse came',
        blockNumber,
      )
      .action(recover),
  )
  add(limitsCommand())
}

async function init(options: GlobalOptions & { restore?: boolean }): Promise<void> {
  const environment = readEnvironment()
  const { vault } = pathsOf(environment)
  if (await hasVaultFile(vault)) {
    throw new UsageError({ what: 'this device has keys already', why: vault })
  }
  const { deriveIdentity } = await import('@freehold/core/identity/identity')
  const phrase = options.restore ? await readPhrase() : createPhrase(systemRandom)
  const identity = await deriveIdentity(phrase, 0)
  await writeVaultFile(vault, phrase, await askPassphrase(environment.passphrase, 'New passphrase'))
  const account = { device: peerName(identity.device), account: identity.wallet.address }
  if (options.json) return printJson({ ...account, phrase: options.restore ? null : phrase })
  say(`Device ${account.device}, account ${account.account}`)
  if (options.restore) return
  say('Write these words down. They are the owner of everything here; nobody can restore them:')
  print(phrase)
}

/** A phrase never stands on the command line, where every other program could read it. */
async function readPhrase(): Promise<string> {
  if (process.stdin.isTTY) say('Type the 24 words, then Ctrl-D:')
  return (await readAll(process.stdin)).trim()
}

async function show(options: GlobalOptions): Promise<void> {
  await using device = await openCliDevice({ listen: [], needsKeys: true, chain: options.chain })
  const { identity } = device
  if (identity === null) return
  const balances = await device.balances()
  const found = {
    device: peerName(identity.device),
    account: identity.wallet.address,
    ...balances,
  }
  const fees = await device.wallet.relayFees()
  if (options.json) return printJson({ ...found, relayFees: fees })
  for (const [name, value] of Object.entries(found)) print(`${name.padEnd(8)} ${value}`)
  print(`relayers ${fees.paid} paid, ${fees.earned} earned`)
  if (balances.native === 0n) say('Without native coin, others submit for this account for a fee')
}

async function settle(options: GlobalOptions): Promise<void> {
  await using device = await openCliDevice({ listen: [], needsKeys: true, chain: options.chain })
  const done = await requireKeeper(device).settle(true)
  if (options.json) printJson(done ?? null)
  else say(done ? `Settled ${done.amount} token units` : 'There is nothing to settle')
}

function requireKeeper({ keeper }: Device): Keeper {
  if (keeper !== null) return keeper
  throw new ClearingError({
    what: 'this device has no chain to clear on',
    next: NAME_A_CHAIN,
  })
}

async function vouchers(): Promise<void> {
  const { vouchersToWatch } = await import('@freehold/core/clearing/watch')
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const records = (await device.tables.channels.list()).map(([, record]) => record)
  printJson({ vouchers: await vouchersToWatch(records, systemClock) })
}

async function setOff(options: GlobalOptions & { dryRun?: boolean }): Promise<void> {
  await using device = await openCliDevice({ listen: [], needsKeys: true, chain: options.chain })
  const keeper = requireKeeper(device)
  await keeper.refresh()
  const { rings, unanswered } = await device.setOff.round({ isDryRun: options.dryRun })
  const { setOff } = setOffOf(await readSettings(cliPaths({}).config))
  if (options.json) return printJson({ setOff, rings, unanswered })
  for (const { device: key, why } of unanswered) {
    say(`${peerName(fromHex(key))} did not help: ${why}`)
  }
  for (const ring of rings) print(describeRing(ring))
  const why = setOff === 'off' ? ': the setting setOff is "off"' : ''
  if (rings.length === 0) say(`There is nothing to set off${why}`)
}

async function recover(
  addresses: string[],
  options: GlobalOptions & { fromBlock?: number },
): Promise<void> {
  await using device = await openCliDevice({ listen: [], needsKeys: true, chain: options.chain })
  const fromBlock = BigInt(options.fromBlock ?? 0)
  await device.recover({ fromBlock })
  const notAsked: { address: string; why: string }[] = []
  const reclaimed: string[] = []
  for (const address of addresses) {
    try {
      reclaimed.push(...(await device.channels.reclaim(await device.peers.ask(address))))
    } catch (error) {
      // The others may still answer.
      notAsked.push({ address, why: error instanceof Error ? error.message : String(error) })
    }
  }
  const { channels, untilBlock } = await device.recover({ fromBlock })
  const balances = await device.balances()
  if (notAsked.length > 0) process.exitCode = 1
  if (options.json) return printJson({ channels, reclaimed, notAsked, untilBlock, ...balances })
  for (const { address, why } of notAsked) say(`${address} was not asked: ${why}`)
  if (channels.length === 0) print('No channel of this account is on the chain')
  else {
    const rows = channels.map(({ id, role, status, deposit, settled, ...rest }) => [
      ...[id.slice(0, 12), role, status, String(deposit), String(settled)],
      rest.exitDueAtMs === null ? '' : new Date(rest.exitDueAtMs).toISOString(),
      rest.isUnknown ? 'unknown' : 'known',
    ])
    print(table(['CHANNEL', 'ROLE', 'STATUS', 'DEPOSIT', 'SETTLED', 'EXIT DUE', 'VOUCHERS'], rows))
  }
  for (const [name, value] of Object.entries(balances)) print(`${name.padEnd(8)} ${value}`)
  const unknown = channels.filter(({ isUnknown }) => isUnknown)
  if (unknown.some(({ role }) => role === 'payer')) {
    say(
      'What this device signed is not on the chain. Channels that it pays stay unused until their',
    )
    say(
      'lender tells: freehold wallet recover <address>. Or leave them: freehold wallet close <id>',
    )
  }
  if (unknown.some(({ role }) => role === 'payee')) {
    say(
      'Vouchers that others gave and that were not settled went with the disk. The next voucher on',
    )
    say('the same channel pays for them too: ask these borrowers to come again, before they leave')
  }
}
