import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Order, PartySettings, Word } from './protocol.ts'

const PARTY = fileURLToPath(new URL('./party.ts', import.meta.url))
/** Variable by which every process of a campaign, and every child of one, is known. */
export const MARK = 'FREEHOLD_CRASH'

/** What any child of ours says: which order it answers, if it does. */
interface AnyWord {
  n?: number
  said: string
}

/** One life of a party. */
export interface PartyProcess<O extends { do: string } = Order, W extends AnyWord = Word> {
  /** Resolves to whether it came up; false when it died before. */
  readonly ready: Promise<boolean>
  /** Resolves when it is dead. */
  readonly ended: Promise<void>
  isDead(): boolean
  /** @returns what it answers; null when it died instead. @throws Error `stuck` after `ms` */
  tell(order: O, ms: number): Promise<W | null>
  /** Called at each piece of text that it shows. */
  onText: (() => void) | undefined
  /** Called with whatever it says unasked. */
  onWord: ((word: W) => void) | undefined
  readonly pid: number
  kill(): Promise<void>
  said(): string
}

export function startParty<
  O extends { do: string } = Order,
  W extends AnyWord = Word,
  S = PartySettings,
>(
  role: 'lender' | 'borrower',
  settings: S,
  mark: string,
  entry: string = PARTY,
): PartyProcess<O, W> {
  const child: ChildProcess = fork(entry, [role, JSON.stringify(settings)], {
    // A group of its own: a signal for one party is for no other.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: ['--no-warnings'],
    env: { ...process.env, [MARK]: mark },
  })
  let words = ''
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    words = (words + part).slice(-4_000)
  })
  let isDead = false
  const ended = once(child, 'exit').then(() => {
    isDead = true
  })
  const answers = new Map<number, (word: W) => void>()
  const up = Promise.withResolvers<boolean>()
  let n = 0
  const self: PartyProcess<O, W> = {
    ready: up.promise,
    ended,
    isDead: () => isDead,
    onText: undefined,
    onWord: undefined,
    pid: child.pid ?? 0,
    tell: async (order, ms) => {
      const id = ++n
      const answer = new Promise<W>((resolve) => answers.set(id, resolve))
      if (!isDead && child.connected) child.send({ n: id, order }, () => {})
      const timer = new AbortController()
      const late = delay(ms, 'late' as const, { signal: timer.signal }).catch(() => null)
      const word = await Promise.race([answer, ended.then(() => null), late])
      timer.abort()
      if (word === 'late') throw new Error(`stuck: ${order.do} did not end within ${ms} ms`)
      return word
    },
    kill: async () => {
      if (!isDead) child.kill('SIGKILL')
      await ended
    },
    said: () => words.trim(),
  }
  child.on('error', () => {})
  child.on('message', (word: W) => {
    if (word.said === 'ready') up.resolve(true)
    else if (word.said === 'text') self.onText?.()
    else if (word.n === undefined) self.onWord?.(word)
    else answers.get(word.n)?.(word)
  })
  void ended.then(() => up.resolve(false))
  return self
}
