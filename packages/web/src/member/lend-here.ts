import { from0x } from '@freehold/core/bytes'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { Device } from '@freehold/core/device/device'
import { type LendTerms, TERMS_DEFAULTS } from '@freehold/core/device/lending'
import { UsageError } from '@freehold/core/errors'
import { openLendGate } from '@freehold/core/lending/lend-gate'
import type { MachineState } from '@freehold/core/lending/polite'
import { systemClock } from '@freehold/core/platform'
import { say } from '../words/words.ts'
import type { LendSettings, MemberSettings } from './member-settings.ts'

/** How lending stands in this tab. */
export type LendState =
  | { is: 'off' }
  | { is: 'on'; addresses: readonly string[] }
  /** It would lend, but not now. */
  | { is: 'waiting'; why: string }
  | { is: 'failed'; why: string }

export interface LendHereComponents {
  /** Name of the model that is lent. */
  model: string
  /** Whether the person is being answered: that comes first. */
  isOwnRunning: () => boolean
  onState: (state: LendState) => void
}

/** Nobody can dial a page: it stays connected to its owner's devices and friends', so that they can ask it. */
const TOUCH_MS = 30_000
const KEEPER_MS = 60_000

/** Lends while the tab is open, and the device charges if the owner wants that. @throws FreeholdError */
export async function lendHere(
  device: Device,
  { lend, chain }: { lend: LendSettings } & Pick<MemberSettings, 'chain'>,
  { model, isOwnRunning, onState }: LendHereComponents,
): Promise<AsyncDisposable> {
  await using started = new AsyncDisposableStack()
  const { to, onlyCharging } = lend
  let addresses: readonly string[] | null = null
  const show = (why: string | null) => {
    if (addresses !== null) onState(why === null ? { is: 'on', addresses } : { is: 'waiting', why })
  }
  const gate = started.use(
    await openLendGate(
      { politeness: { idle: { afterMs: 0 }, mains: onlyCharging }, onChange: show },
      { look: () => look(isOwnRunning), clock: systemClock, log: () => {} },
    ),
  )
  const lending = started.use(
    await device.lending.start({
      ...{ models: [model], to, friendsFree: true, parallel: 1, gate },
      payment: to === 'market' ? termsOf(lend, chain) : null,
    }),
  )
  started.use(keepDoing(TOUCH_MS, (signal) => touch(device, signal)))
  if (to === 'market') started.use(keepDoing(KEEPER_MS, () => settle(device)))
  addresses = lending.addresses()
  show(gate.why)
  const running = started.move()
  return {
    [Symbol.asyncDispose]: async () => {
      onState({ is: 'off' })
      await running.disposeAsync()
    },
  }
}

function termsOf({ price }: LendSettings, chain: ChainSettings | null): LendTerms {
  if (chain === null) throw new UsageError({ what: say('lendNeedsChain') })
  const prompt = Math.floor(price / 5)
  return {
    ...TERMS_DEFAULTS,
    chainId: chain.chainId,
    house: from0x(chain.house),
    token: from0x(chain.token),
    prices: { prompt, cached: Math.floor(prompt / 10), output: price },
    // A page is no place to hold coin for others.
    relaysOpening: false,
    relayFee: 0,
  }
}

/** What a page can see of its machine. */
async function look(isOwnRunning: () => boolean): Promise<MachineState> {
  const { getBattery } = navigator as {
    getBattery?: (this: Navigator) => Promise<{ charging: boolean }>
  }
  const battery = await getBattery?.call(navigator)
  return {
    isOnMains: battery?.charging ?? null,
    isOwnRunning: isOwnRunning(),
    ownIdleMs: Infinity,
    // The system gives a page its share, and no more.
    foreignLoad: 0,
    ...{ temperatureC: null, minute: 0, isSwitchedOff: false },
  }
}

/** It need not lend, and may be away: being connected is enough. Each process of a device has its own address. */
async function touch(device: Device, signal: AbortSignal): Promise<void> {
  for (const [key, { addresses }] of await device.tables.peers.list()) {
    if ((await device.peers.rung(key)) === 'market') continue
    for (const address of addresses) {
      signal.throwIfAborted()
      await device.peers.ask(address, { signal, isExact: true }).catch(() => {})
    }
  }
}

/** What was earned is worth nothing once its payer has left: whoever lends looks after it. */
async function settle({ keeper }: Device): Promise<void> {
  await keeper?.refresh()
  await keeper?.settle()
}

/** Does something now and again and again; what fails is tried the next time. */
function keepDoing(everyMs: number, work: (signal: AbortSignal) => Promise<void>): AsyncDisposable {
  const stop = new AbortController()
  let cancel = () => {}
  const round = async (): Promise<void> => {
    await work(stop.signal).catch(() => {})
    if (stop.signal.aborted) return
    cancel = systemClock.after(everyMs, () => {
      running = round()
    })
  }
  let running = round()
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      cancel()
      await running
    },
  }
}
