const NAME = 'freehold-engine'
/** A tab that the system put to sleep answers nobody: then the lock is taken without it. */
const ANSWER_MS = 3_000

type Word = 'ask' | 'take' | 'busy'

/** One tab at a time holds the device: its models, later its keys. */
export interface EngineLease extends Disposable {
  /**
   * Takes the device for this tab. Another tab lets go while it is idle.
   * @param by `force` also stops what the other tab is writing
   * @returns false: the other tab is writing
   */
  take(by?: 'force'): Promise<boolean>
  /** Whether some tab holds it now. */
  isHeld(): Promise<boolean>
}

export interface EngineLeaseComponents {
  isBusy: () => boolean
  /** Closes the device, so that another tab can open it. */
  letGo: () => Promise<void>
}

export function createEngineLease({ isBusy, letGo }: EngineLeaseComponents): EngineLease {
  const channel = new BroadcastChannel(NAME)
  let release: (() => void) | null = null
  let onBusy: (() => void) | null = null

  channel.onmessage = async ({ data }: MessageEvent<Word>) => {
    if (data === 'busy') onBusy?.()
    else if (release === null) return
    else if (data === 'ask' && isBusy()) channel.postMessage('busy' satisfies Word)
    else await giveUp()
  }

  async function giveUp(): Promise<void> {
    const done = release
    release = null
    await letGo()
    done?.()
  }

  /** @returns whether this tab holds the lock now */
  function request(init: LockOptions): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const held = navigator.locks.request(NAME, init, (lock) => {
      resolve(lock !== null)
      if (lock === null) return undefined
      const holding = Promise.withResolvers<void>()
      release = holding.resolve
      return holding.promise
    })
    held.catch(() => {
      resolve(false)
      // Stolen by a tab that waited in vain.
      if (release !== null) void giveUp()
    })
    return promise
  }

  return {
    async take(by) {
      if (release !== null || (await request({ ifAvailable: true }))) return true
      const waiting = new AbortController()
      onBusy = () => waiting.abort()
      const timer = setTimeout(() => waiting.abort(), ANSWER_MS)
      channel.postMessage((by === 'force' ? 'take' : 'ask') satisfies Word)
      const isMine = await request({ signal: waiting.signal })
      clearTimeout(timer)
      onBusy = null
      return isMine || (by === 'force' && (await request({ steal: true })))
    },
    isHeld: async () => {
      const { held = [] } = await navigator.locks.query()
      return held.some(({ name }) => name === NAME)
    },
    [Symbol.dispose]: () => {
      channel.close()
      release?.()
    },
  }
}
