import { setInterval } from 'node:timers/promises'
import { from0x, toHex } from '@freehold/core/bytes'
import { NAME_A_CHAIN } from '@freehold/core/clearing/chain'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { Device } from '@freehold/core/device/device'
import { type LendTerms, TERMS_DEFAULTS } from '@freehold/core/device/lending'
import { UsageError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import { createEnergyMeter } from '@freehold/core/lending/energy'
import type { LendGate } from '@freehold/core/lending/lend-gate'
import type { Politeness } from '@freehold/core/lending/polite'
import { systemClock } from '@freehold/core/platform'
import type { Rung } from '@freehold/core/routing/route'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { pathsOf, readEnvironment, readSettings, type Settings } from '../../config.ts'
import { findEnergyCounter } from '../../power/energy-counter.ts'
import { type LendSwitch, openLendSwitch } from '../../power/lend-switch.ts'
import { ownUseFolder } from '../../power/own-use.ts'
import { openCliLibrary } from '../cli-library.ts'
import {
  cliPaths,
  type GlobalOptions,
  interruptSignal,
  logger,
  openCliDevice,
  withGlobals,
} from '../context.ts'
import { describeRing } from '../describe-ring.ts'
import { energyText } from '../energy-text.ts'
import { printJson, say } from '../output.ts'
import { politenessOf } from '../politeness.ts'
import { tendChannels } from '../tend-channels.ts'

interface LendOptions extends GlobalOptions {
  listen: string[]
  free?: boolean
  friendsFree?: boolean
  to: Rung
  pricePrompt: number
  priceOutput: number
  window: number
  promptCap: number
  holdBack: number
  exitDelay: number
  parallel: number
  relay: boolean
  relayFee: number
  coinPrice?: number
  confirmations?: number
  seed?: boolean
  seedRate?: number
  seedPerDay?: number
  when?: string
  idleAfter?: string
  hours?: string
  maxTemperature?: number
}

/** Reachable from this machine alone until the owner says otherwise. */
const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const KEEPER_MS = 60_000

export function lendCommand(command: Command): void {
  command
    .argument('[model...]', 'models to lend', ['acorn'])
    .option('--listen <multiaddr...>', 'where to listen; /ip4/0.0.0.0/tcp/4215 for all', LOOPBACK)
    .option('--free', 'take no money')
    .option('--friends-free', 'take no money from friends; your own devices never pay')
    .addOption(
      new Option('--to <whom>', 'who may borrow: your own devices, friends too, or everybody')
        .choices(['own', 'friends', 'market'])
        .default('market'),
    )
    .option('--price-prompt <units>', 'token units per million prompt tokens', whole(), 200_000)
    .option('--price-output <units>', 'token units per million output tokens', whole(), 1_000_000)
    .option(
      '--window <tokens>',
      'signed and unpaid tokens at which to stop',
      whole(4_096),
      TERMS_DEFAULTS.windowTokens,
    )
    .option(
      '--prompt-cap <tokens>',
      'longest prompt of an unknown borrower',
      whole(65_536),
      TERMS_DEFAULTS.promptCapTokens,
    )
    .option('--confirmations <blocks>', 'blocks after which a deposit is certain', whole(1_000))
    .option(
      '--hold-back <seconds>',
      'how long the last window may stay unpaid',
      whole(86_400),
      TERMS_DEFAULTS.holdBackMs / 1_000,
    )
    .option(
      '--exit-delay <seconds>',
      'least exit delay of channels',
      whole(2_592_000),
      TERMS_DEFAULTS.leastExitDelaySeconds,
    )
    .option('--parallel <answers>', 'answers at once', whole(64), 4)
    .option('--no-relay', 'do not submit what devices without native coin signed')
    .option('--relay-fee <units>', 'token units for submitting an opening or an order', whole(), 0)
    .option(
      '--coin-price <units>',
      'what a native coin is worth: settle when 20 times the gas is owed, relay what pays its own',
      whole(),
    )
    .option('--when <conditions>', 'lend only while idle, on mains, or both: idle,mains')
    .option('--idle-after <time>', 'idle is who has asked nothing for so long, such as 5m')
    .option('--hours <hours>', 'lend only within these hours, such as 22:00-07:00')
    .option('--max-temperature <degrees>', 'lend only below so many °C', whole(150))
    .option('--seed', 'hand shared models (freehold share) to whoever asks for them by digest')
    .option('--seed-rate <bytes>', 'bytes a second that seeding may send', whole())
    .option('--seed-per-day <bytes>', 'bytes a day that seeding may send', whole())
    .action((models: string[], options: LendOptions) => lend(models, options))
  withGlobals(command)
}

function whole(most = 1e15) {
  return (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value <= most) return value
    throw new InvalidArgumentError(`It is a whole number up to ${most}.`)
  }
}

async function lend(models: string[], options: LendOptions): Promise<void> {
  const signal = interruptSignal()
  const settings = await readSettings(pathsOf(readEnvironment()).config)
  const politeness = politenessOf(settings.lend ?? {}, options)
  const chain = options.chain ?? settings.chain
  if (!options.free && options.to !== 'own' && chain === undefined) {
    throw new UsageError({
      what: 'lending for money needs a chain to clear on',
      next: `${NAME_A_CHAIN}, or lend with --free or --to own`,
    })
  }
  await using device = await openCliDevice({
    listen: options.listen,
    needsKeys: true,
    chain,
    models: options.models,
    coinPrice: options.coinPrice,
    confirmations: options.confirmations,
  })
  const lendSwitch = openLendSwitch(cliPaths({}))
  // Whoever starts it wants it on.
  await lendSwitch.set(true)
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => lendSwitch.leave())
  let addresses: string[] = []
  const announce = (why: string | null) => lendSwitch.announce({ models, addresses, why })
  const onChange = (why: string | null) => {
    if (addresses.length > 0) void announce(why).catch(() => {})
    if (options.json) printJson({ event: 'may-lend', may: why === null, why })
    else say(why === null ? 'Lending' : `Not lending now: ${why}`)
  }
  await using gate = await openCliGate(politeness, { lendSwitch, onChange })
  const energy = createEnergyMeter(await findEnergyCounter())
  await using lending = await device.lending.start({
    models,
    payment: options.free || chain === undefined ? null : lendTerms(options, chain),
    to: options.to,
    friendsFree: options.friendsFree,
    parallel: options.parallel,
    relaying: {
      unitsPerCoin: options.coinPrice === undefined ? null : BigInt(options.coinPrice),
      onRelay: (relayed) => {
        if (options.json) printJson({ event: 'relayed', ...relayed })
        else say(`Submitted ${relayed.kind} for ${relayed.fee} (${relayed.feeWei} wei of gas)`)
      },
    },
    gate,
    energy,
    onAnswer: (answer, energy) => {
      if (options.json) printJson({ event: 'answer', ...answer, energy })
      else {
        const unpaid = answer.isUnpaid ? ', unpaid' : ''
        say(`Lent ${answer.tokens} tokens (${answer.end})${unpaid}${energyText(energy)}`)
      }
    },
  })
  addresses = lending.addresses()
  await announce(gate.why)
  const name = device.identity ? peerName(device.identity.device) : ''
  if (options.json) {
    printJson({ event: 'lending', device: name, addresses: lending.addresses(), models })
  } else {
    say(`Lending ${models.join(', ')}. Others reach this device at`)
    for (const address of lending.addresses()) say(`  ${address}`)
  }
  if (options.seed ?? settings.seed) await seed(device, settings, options, signal)
  await keepUntil(signal, device, options.json ?? false)
}

/** Opened by what the owner set, and by the switch: another process of this device may turn it. */
async function openCliGate(
  politeness: Politeness,
  { lendSwitch, onChange }: { lendSwitch: LendSwitch; onChange: (why: string | null) => void },
): Promise<LendGate> {
  const [{ openLendGate }, { createMachine }] = await Promise.all([
    import('@freehold/core/lending/lend-gate'),
    import('../../power/machine.ts'),
  ])
  const isSwitchedOff = () => lendSwitch.isOff()
  const machine = createMachine({ ownUse: ownUseFolder(cliPaths({})), isSwitchedOff })
  // Without a condition nothing else about the machine matters.
  const isFree = Object.keys(politeness).length === 0
  const look = isFree
    ? async () => ({ ...ANYHOW, isSwitchedOff: isSwitchedOff() })
    : () => machine.look()
  let isFirst = true
  return openLendGate(
    {
      politeness,
      onChange: (why) => {
        // That it lends from the start on goes without saying.
        if (!isFree || !isFirst) onChange(why)
        isFirst = false
      },
    },
    { look, clock: systemClock, log: logger(readEnvironment().log) },
  )
}

const ANYHOW = {
  ...{ isOnMains: null, temperatureC: null, foreignLoad: null },
  ...{ isOwnRunning: false, ownIdleMs: 0, minute: 0 },
}

/** Hands out what the owner shares. */
async function seed(
  device: Device,
  settings: Settings,
  options: LendOptions,
  signal: AbortSignal,
): Promise<void> {
  const [{ sharedModels }, { nativeSha256 }] = await Promise.all([
    import('../../models/shared-models.ts'),
    import('../../models/pull-from-peers.ts'),
  ])
  const models = await sharedModels(settings.shared ?? [], openCliLibrary(options), { signal })
  await device.seeding.start({
    models,
    bytesPerSecond: options.seedRate ?? settings.seedRate,
    bytesPerDay: options.seedPerDay ?? settings.seedPerDay,
    hash: nativeSha256,
  })
  const ids = models.map(({ modelId }) => toHex(modelId))
  if (options.json) printJson({ event: 'seeding', models: ids })
  else if (ids.length === 0) say('Nothing is shared yet. Share a model with: freehold share MODEL')
  else for (const id of ids) say(`Seeding sha256:${id}`)
}

/** What a lender asks, from its options. */
export function lendTerms(
  options: Pick<
    LendOptions,
    'pricePrompt' | 'priceOutput' | 'window' | 'promptCap' | 'holdBack' | 'exitDelay'
  > &
    Pick<LendOptions, 'relay' | 'relayFee'>,
  chain: ChainSettings,
): LendTerms {
  return {
    chainId: chain.chainId,
    house: from0x(chain.house),
    token: from0x(chain.token),
    leastExitDelaySeconds: options.exitDelay,
    prices: {
      prompt: options.pricePrompt,
      cached: Math.floor(options.pricePrompt / 10),
      output: options.priceOutput,
    },
    windowTokens: options.window,
    promptCapTokens: options.promptCap,
    holdBackMs: options.holdBack * 1_000,
    relaysOpening: options.relay,
    relayFee: options.relayFee,
  }
}

async function setOff({ setOff }: Device, isJson: boolean): Promise<void> {
  const { rings } = await setOff.round()
  for (const ring of rings) {
    if (isJson) printJson({ event: 'set-off', ...ring })
    else say(describeRing(ring))
  }
}

/** Looks after the channels until the signal; settles what is worth it. */
async function keepUntil(signal: AbortSignal, device: Device, isJson: boolean): Promise<void> {
  const { keeper } = device
  try {
    for await (const _ of setInterval(KEEPER_MS, null, { signal })) {
      await keeper?.refresh()
      // First what needs no gas for each channel; what is left is settled.
      await setOff(device, isJson).catch((error) => say(`Setting off waits: ${error}`))
      const settled = await keeper?.settle().catch((error) => say(`Settling waits: ${error}`))
      await tendChannels(device, { signal, isJson })
      if (settled && isJson) printJson({ event: 'settled', ...settled })
      else if (settled) say(`Settled ${settled.amount} token units (${settled.cause})`)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
