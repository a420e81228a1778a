import type { CalibrationTable } from '@freehold/core/audit/calibration'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { EndReason } from '@freehold/core/errors'
import type { Deadlines } from '@freehold/core/lending/deadlines'

/** How a lender behaves: as it should, or as in one of the faults that it does to itself. */
export type Mood = 'well' | 'slow' | 'wedged' | Lie

export const LIES = ['wrong-model', 'wrong-hash', 'bad-signature', 'garbage', 'replay'] as const
export type Lie = (typeof LIES)[number]

export interface TownSettings {
  home: string
  phrase: string
  chain: ChainSettings
  /** Where a lender listens; 0 for a borrower. */
  port: number
  deadlines: Partial<Deadlines>
  calibration: CalibrationTable
  windowTokens: number
  holdBackMs: number
  scope: 'friends' | 'market'
  /** Peer ids of a borrower's friends. */
  friends: string[]
}

export type TownOrder =
  | { do: 'open'; address: string; amount: string }
  | { do: 'ask'; tokens: number; prompt: string; lender?: string }
  | { do: 'mood'; mood: Mood }
  | { do: 'skew'; ms: number }
  /** Waits until all audits and payments of ended answers are done. */
  | { do: 'rest' }
  | { do: 'stop' }

/** A break of an answer, and when its text went on; times by the machine's clock. */
export interface Move {
  lender: string
  reason: EndReason
  message: string
  askedAtMs: number
  brokeAtMs: number
  /** null: there was nothing left to say. */
  elsewhereAtMs: number | null
}

export type TownWord = { n?: number } & (
  | { said: 'ready' }
  | { said: 'text' }
  | { said: 'done' }
  | { said: 'failed'; why: string }
  | { said: 'answered'; error: string | null; moves: Move[]; lenders: string[] }
  | { said: 'lied'; lie: Lie; atMs: number }
  | { said: 'serving'; atMs: number }
  | { said: 'convicted'; lender: string; endedAtMs: number; atMs: number }
)
