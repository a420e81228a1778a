import type { WorthInit } from '../clearing/worth.ts'
import type { AuditService } from './audits.ts'
import { type BorrowService, createBorrowService } from './borrowing.ts'
import { type ChannelService, createChannelService } from './channels.ts'
import { createDiscoveringService, type DiscoveringService } from './discovering.ts'
import { createHeaderService, type HeaderService } from './headers.ts'
import { createLenderService, type LenderService } from './lenders.ts'
import { createLendingService, type LendingService } from './lending.ts'
import { createMeasurements } from './measurements.ts'
import { createOwnAuditors, type OwnAuditors } from './own-auditors.ts'
import { createPairingService, type PairingService } from './pairing.ts'
import type { Parts } from './parts.ts'
import { createPeerService, type PeerService } from './peers.ts'
import { createRelayService } from './relaying.ts'
import { createSeedService, type SeedService } from './seeding.ts'
import { createSetOffService, type SetOffService } from './set-off.ts'
import { createWalletService, type WalletService } from './wallet.ts'
import { createWarmChannels, type WarmChannels } from './warm-channels.ts'

/** All that a device does with others. A module of its own: an own answer never loads it. */
export interface Network {
  peers: PeerService
  discovering: DiscoveringService
  channels: ChannelService
  warm: WarmChannels
  headers: HeaderService
  lenders: LenderService
  borrowing: BorrowService
  lending: LendingService & AsyncDisposable
  seeding: SeedService
  setOff: SetOffService
  ownAuditors: OwnAuditors
  wallet: WalletService
  pairing: PairingService
}

export function createNetwork(
  parts: Parts,
  { audits, worth }: { audits: AuditService; worth: WorthInit },
): Network {
  const peers = createPeerService(parts)
  const discovering = createDiscoveringService(parts, { peers })
  const wallet = createWalletService(parts, { relaying: createRelayService(parts, { peers }) })
  const channels = createChannelService(parts, { wallet })
  const measurements = createMeasurements(parts)
  const warm = createWarmChannels(parts, { peers, channels, wallet })
  const found = { peers, channels, warm, measurements, discovering }
  const lenders = createLenderService(parts, found)
  const setOff = createSetOffService(worth, parts, { peers })
  return {
    peers,
    discovering,
    channels,
    warm,
    lenders,
    headers: createHeaderService(parts),
    borrowing: createBorrowService(parts, { lenders, audits, channels, measurements, warm }),
    lending: createLendingService(parts, { channels, setOff, discovering }),
    seeding: createSeedService(parts),
    setOff,
    ownAuditors: createOwnAuditors(parts, { peers }),
    wallet,
    pairing: createPairingService(parts, { book: parts.pairs }),
  }
}
