/** A process that sends one transaction and waits for its block: to be killed meanwhile. */
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { createRpcChain } from '@freehold/core/clearing/rpc-chain'
import { systemClock } from '@freehold/core/platform'
import type { Address, Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'

const [database = '', key = '', settings = '', to = '', amount = ''] = process.argv.slice(2)
const chain = createRpcChain(JSON.parse(settings) as ChainSettings, {
  account: privateKeyToAccount(key as Hex),
  clock: systemClock,
  sent: openSqliteStorage(database).table('sent'),
})
await chain.withdraw(to as Address, BigInt(amount))
