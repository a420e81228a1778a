import { LendingError } from '../errors.ts'
import type { Clock, Log } from '../platform.ts'
import { type MachineState, type Politeness, whyNotLend } from './polite.ts'

/** Says whether a device may lend now. */
export interface LendGate extends AsyncDisposable {
  /** Why not; null: it may. */
  readonly why: string | null
  /** Aborts, with `owner`, as soon as it may not any more. Another one each time that it may again. */
  readonly signal: AbortSignal
}

export interface LendGateInit {
  politeness: Politeness
  /** @default 500 ms */
  everyMs?: number | undefined
  onChange?: ((why: string | null) => void) | undefined
}

export interface LendGateComponents {
  /** Looks at the machine. */
  look: () => Promise<MachineState>
  clock: Clock
  log: Log
}

/** So often the machine is looked at. */
const EVERY_MS = 500

/** Looks at the machine again and again, and opens and closes the gate by what the owner set. */
export async function openLendGate(
  init: LendGateInit,
  { look, clock, log }: LendGateComponents,
): Promise<LendGate> {
  const { politeness, everyMs = EVERY_MS, onChange } = init
  let why: string | null = 'it was not looked yet'
  let stop = new AbortController()
  let isDone = false
  let cancel = () => {}
  let looking: Promise<void> = Promise.resolve()

  function set(next: string | null): void {
    const wasOpen = why === null
    const isOther = next !== why
    why = next
    if (wasOpen && next !== null) {
      stop.abort(new LendingError('owner', { what: 'the lender needs its machine for itself' }))
    } else if (!wasOpen && next === null) stop = new AbortController()
    if (isOther) onChange?.(next)
  }

  async function round(): Promise<void> {
    try {
      const next = whyNotLend(await look(), politeness, why === null)
      if (!isDone) set(next)
    } catch (error) {
      // What cannot be looked at is no reason to lend.
      log('lend.gate', { error: String(error) })
      if (!isDone) set('the machine cannot be looked at')
    }
    if (isDone) return
    cancel = clock.after(everyMs, () => {
      looking = round()
    })
  }

  await round()
  return {
    get why() {
      return why
    },
    get signal() {
      return stop.signal
    },
    [Symbol.asyncDispose]: async () => {
      isDone = true
      cancel()
      await looking
    },
  }
}
