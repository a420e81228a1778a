import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { Deadlines } from '@freehold/core/lending/deadlines'

/** Where a process dies by its own hand: at its n-th commit or socket write, or after so many ms. */
export interface Death {
  by: 'commit' | 'write' | 'time'
  after: number
  /** Before the effect rather than after it. */
  isBefore: boolean
}

/** What a process of a campaign is started with. */
export interface PartySettings {
  home: string
  phrase: string
  chain: ChainSettings
  /** Where the lender listens, always at the same place. */
  port: number
  deadlines: Deadlines
  engine: 'toy' | 'llama'
  stepMs: number
  windowTokens: number
  holdBackMs: number
  dies?: Death | undefined
}

/** What it is told. */
export type Order =
  | { do: 'arm'; dies: Death }
  | { do: 'engine' }
  | { do: 'open'; address: string; amount: string }
  | { do: 'borrow'; tokens: number }
  | { do: 'settle' }
  | { do: 'stop' }

/** What it says; `n` is the order that it answers. */
export type Word = { n?: number } & (
  | { said: 'ready'; address: string }
  | { said: 'text' }
  | { said: 'done' }
  | { said: 'engine'; pid: number }
  | { said: 'ended'; end: string }
  | { said: 'failed'; why: string }
)
