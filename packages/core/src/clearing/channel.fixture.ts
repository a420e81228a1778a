import { privateKeyToAccount } from 'viem/accounts'
import { to0x } from '../bytes.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import type { Table } from '../storage.ts'
import { type ChannelRecord, createChannelRecord } from './channel.ts'
import { type ChannelConfig, channelIdOf, type House } from './typed-data.ts'

/** Session key of the test channels; it holds nothing. */
export const SIGNER = privateKeyToAccount(`0x${'51'.repeat(32)}`)

export const HOUSE: House = { chainId: 31_337, address: `0x${'c1'.repeat(20)}` }

export function testConfig(salt = 1): ChannelConfig {
  return {
    payer: `0x${'a1'.repeat(20)}`,
    signer: SIGNER.address,
    payee: `0x${'b2'.repeat(20)}`,
    delay: 172_800,
    flags: 0,
    salt: to0x(new Uint8Array(32).fill(salt)),
  }
}

/** A channel that is open on the chain. */
export function testRecord(
  role: ChannelRecord['role'],
  init: Partial<ChannelRecord> = {},
  salt = 1,
): ChannelRecord {
  const config = testConfig(salt)
  return createChannelRecord({
    id: channelIdOf(HOUSE, config),
    role,
    peer: 'ab'.repeat(32),
    house: HOUSE,
    token: `0x${'c2'.repeat(20)}`,
    config,
    deposit: 10_000n,
    status: 'open',
    seenAtMs: 1_000,
    ...init,
  })
}

/** A store that holds these channels. */
export async function tableOf(...records: ChannelRecord[]): Promise<Table<ChannelRecord>> {
  const table = createMemoryStorage().table<ChannelRecord>('channels')
  for (const record of records) await table.put(record.id, record)
  return table
}
