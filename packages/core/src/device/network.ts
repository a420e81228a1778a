import type { AuditService } from './audits.ts'
import { type BorrowService, createBorrowService } from './borrowing.ts'
import { type ChannelService, createChannelService } from './channels.ts'
import { createHeaderService, type HeaderService } from './headers.ts'
import { createLenderService, type LenderService } from './lenders.ts'
import { createLendingService, type LendingService } from './lending.ts'
import { createOwnAuditors, type OwnAuditors } from './own-auditors.ts'
import type { Parts } from './parts.ts'
import { createPeerService, type PeerService } from './peers.ts'
import { createWarmChannels, type WarmChannels } from './warm-channels.ts'

/** All that a device does with others. A module of its own: an own answer never loads it. */
export interface Network {
  peers: PeerService
  channels: ChannelService
  warm: WarmChannels
  headers: HeaderService
  lenders: LenderService
  borrowing: BorrowService
  lending: LendingService
  ownAuditors: OwnAuditors
}

export function createNetwork(parts: Parts, { audits }: { audits: AuditService }): Network {
  const peers = createPeerService(parts)
  const channels = createChannelService(parts)
  const warm = createWarmChannels(parts, { peers, channels })
  const lenders = createLenderService(parts, { peers, channels, warm })
  return {
    peers,
    channels,
    warm,
    lenders,
    headers: createHeaderService(parts),
    borrowing: createBorrowService(parts, { lenders, audits, channels, warm }),
    lending: createLendingService(parts, { channels }),
    ownAuditors: createOwnAuditors(parts, { peers }),
  }
}
