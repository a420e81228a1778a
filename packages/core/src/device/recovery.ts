import type { Hex } from 'viem'
import { isAddressEqual } from 'viem'
import { NAME_A_CHAIN } from '../clearing/chain.ts'
import { type ChannelRecord, createChannelRecord } from '../clearing/channel.ts'
import { seeChannel } from '../clearing/keeper.ts'
import { ChainError, ClearingError } from '../errors.ts'
import { existing } from '../storage.ts'
import type { Parts } from './parts.ts'

/** A channel that the chain knows. */
export interface RecoveredChannel {
  id: Hex
  role: ChannelRecord['role']
  status: ChannelRecord['status']
  deposit: bigint
  settled: bigint
  /** When its exit may be completed, ms since 1970; null while none was asked for. */
  exitDueAtMs: number | null
  /** What was signed on it is unknown: it pays nothing until its payee told, or is left. */
  isUnknown: boolean
  isNew: boolean
}

export interface Recovery {
  channels: RecoveredChannel[]
  /** Last block that was looked at. */
  untilBlock: bigint
}

/**
 * Finds this device's channels by its keys and the chain alone, and adds those that its disk does
 * not know. What is on the disk already is never changed but for the chain's view of it.
 */
export async function recoverChannels(
  { chain, identity, tables, clock }: Parts,
  init: { fromBlock?: bigint | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Recovery> {
  if (chain === null) {
    throw new ChainError({ what: 'this device has no chain to look at', next: NAME_A_CHAIN })
  }
  if (identity === null) throw new ClearingError({ what: 'this device has no keys yet' })
  const { house, token } = chain
  const account = identity.wallet.address
  const { found, untilBlock } = await chain.openings(account, init)
  const channels: RecoveredChannel[] = []
  for (const { id, config } of found) {
    init.signal?.throwIfAborted()
    const seen = await chain.channel(id)
    const role = isAddressEqual(config.payer, account) ? 'payer' : 'payee'
    let isNew = false
    const record = existing(
      await tables.channels.update(id, (old) => {
        isNew = old === undefined
        // Nobody owes less than was settled; how much more was signed, the chain does not know.
        const bare = createChannelRecord({
          ...{ id, role, peer: '', house, token, config, isRecovered: true },
          ...{ cumulative: seen.settled, paidRaw: seen.settled * 1_000_000n },
        })
        return seeChannel(old ?? bare, seen, clock.now())
      }),
      id,
    )
    const { status, deposit, settled, exitDueAtMs } = record
    const isUnknown = record.isRecovered && status !== 'closed'
    channels.push({ id, role, status, deposit, settled, exitDueAtMs, isUnknown, isNew })
  }
  return { channels, untilBlock }
}
