import type { Deadlines } from '@freehold/core/lending/deadlines'
import type { NodeReachInit } from '../../packages/node/src/mesh/open-mesh.ts'

/** What a device of this suite is started with. */
export interface DeviceSettings {
  name: string
  home: string
  phrase: string
  listen: string[]
  reach: NodeReachInit
  lends: boolean
  /** How long it waits for others. @default as long as a machine that has much else to do may take */
  deadlines?: Partial<Deadlines> | 'usual'
  /** How long its engine takes for a token, of a prompt and of an answer. @default no time */
  tokenMs?: number
}

export type Order =
  | { do: 'addresses' }
  | { do: 'ask'; address: string }
  | { do: 'borrow'; lender: string; tokens: number; prompt?: string }
  /** Waits until it has come to a direct connection or not; with a lender that was borrowed from through a relay. */
  | { do: 'punch'; lender: string }
  /** Waits until an answer that runs has so many tokens. */
  | { do: 'words'; count: number }
  /** Hands a model out to whoever names it. */
  | { do: 'seed'; path: string }
  /** Bytes that were handed out. */
  | { do: 'seeded' }
  /** Pulls a model by its SHA-256, from these addresses alone. */
  | { do: 'pull'; digest: string; from: string[] }
  /** Shows a pairing code, and says yes to whatever words come. */
  | { do: 'show' }
  /** Waits until that pairing is done. */
  | { do: 'paired' }
  | { do: 'stop' }

export interface Reply {
  addresses?: string[]
  /** Its key, hex. */
  device?: string
  tokens?: number
  /** Whether the answer came over a connection of the two alone. */
  isDirect?: boolean
  /** From the question to the first token. */
  firstTokenMs?: number | null
  /** Lenders that were given up meanwhile, and why. */
  breaks?: string[]
  bytes?: number
  link?: string
  /** That both devices of a pairing show. */
  words?: string[]
  /** SHA-256 of what was pulled, by name and by looking at it. */
  digest?: string
}
