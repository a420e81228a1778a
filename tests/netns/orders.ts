import type { NodeReachInit } from '../../packages/node/src/mesh/open-mesh.ts'

/** What a device of this suite is started with. */
export interface DeviceSettings {
  name: string
  home: string
  phrase: string
  listen: string[]
  reach: NodeReachInit
  lends: boolean
}

export type Order =
  | { do: 'addresses' }
  | { do: 'ask'; address: string }
  | { do: 'borrow'; lender: string; tokens: number }
  /** Waits until it has come to a direct connection or not; with a lender that was borrowed from through a relay. */
  | { do: 'punch'; lender: string }
  | { do: 'stop' }

export interface Reply {
  addresses?: string[]
  /** Its key, hex. */
  device?: string
  tokens?: number
  /** Whether the answer came over a connection of the two alone. */
  isDirect?: boolean
}
