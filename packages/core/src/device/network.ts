import type { AuditService } from './audits.ts'
import { type BorrowService, createBorrowService } from './borrowing.ts'
import { type ChannelService, createChannelService } from './channels.ts'
import { createDiscoveringService, type DiscoveringService } from './discovering.ts'
import { createHeaderService, type HeaderService } from './headers.ts'
import { createLenderService, type LenderService } from './lenders.ts'
import { createLendingService, type LendingService } from './lending.ts'
import { createOwnAuditors, type OwnAuditors } from './own-auditors.ts'
import type { Parts } from './parts.ts'
import { createPeerService, type PeerService } from './peers.ts'
import { createRelayService } from './relaying.ts'
import { createSetOffService, type SetOffService } from './set-off.ts'
import { createWalletService, type WalletService } from './wallet.ts'

/** All that a device does with others. A module of its own: an own answer never loads it. */
export interface Network {
  peers: PeerService
  discovering: DiscoveringService
  channels: ChannelService
  headers: HeaderService
  lenders: LenderService
  borrowing: BorrowService
  lending: LendingService
  setOff: SetOffService
  ownAuditors: OwnAuditors
  wallet: WalletService
}

export function createNetwork(
  parts: Parts,
  { audits, worthUnits }: { audits: AuditService; worthUnits: bigint },
): Network {
  const peers = createPeerService(parts)
  const discovering = createDiscoveringService(parts, { peers })
  const wallet = createWalletService(parts, { relaying: createRelayService(parts, { peers }) })
  const channels = createChannelService(parts, { wallet })
  const lenders = createLenderService(parts, { peers, channels, discovering })
  const setOff = createSetOffService({ worthUnits }, parts, { peers })
  return {
    peers,
    discovering,
    channels,
    lenders,
    headers: createHeaderService(parts),
    borrowing: createBorrowService(parts, { lenders, audits, channels }),
    lending: createLendingService(parts, { channels, setOff, discovering }),
    setOff,
    ownAuditors: createOwnAuditors(parts, { peers }),
    wallet,
  }
}
