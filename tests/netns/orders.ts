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
  | { do: 'stop' }

export interface Reply {
  addresses?: string[]
  /** Its key, hex. */
  device?: string
  tokens?: number
  /** Whether the answer came over a connection of the two alone. */
  isDirect?: boolean
}
