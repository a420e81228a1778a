import { clearingHouseAbi } from '@freehold/contracts/clearing-house'
import { devTokenAbi } from '@freehold/contracts/dev-token'
import { createPublicClient, createWalletClient, type Hash, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { to0x } from '../packages/core/src/bytes.ts'
import type { SettlementRow } from '../packages/core/src/clearing/chain.ts'
import { type ChannelConfig, channelIdOf } from '../packages/core/src/clearing/typed-data.ts'
import { createViemChain } from '../packages/core/src/clearing/viem-chain.ts'
import { signVoucher } from '../packages/core/src/clearing/voucher.ts'
import { systemClock, systemRandom } from '../packages/core/src/platform.ts'
import { startDevChain } from '../packages/node/src/chain/dev-chain.ts'

const DEPOSIT = 1_000_000n
const DELAY_SECONDS = 172_800

/** Answers on one channel that gas is told for. */
const ANSWERS = [1, 10, 50, 200]

/**
 * Gas of real transactions on a chain of our own; accounts and channels are new, as a stranger's are.
 * @param settledRows how many channels are settled in one transaction, one after another
 */
export async function measureGas(settledRows: readonly number[]) {
  await using chain = await startDevChain()
  const { settings } = chain
  const transport = http(settings.rpc)
  const house = { chainId: settings.chainId, address: settings.house }
  const [payer, payee, signer] = [0, 1, 2].map(() => privateKeyToAccount(generatePrivateKey())) as [
    Account,
    Account,
    Account,
  ]
  await chain.mint(payer.address, 1_000n * DEPOSIT)
  for (const { address } of [payer, payee]) await chain.fund(address, '10')
  const at = (account: Account) =>
    createViemChain({ house, token: settings.token, account }, { transport, clock: systemClock })
  const [paying, earning] = [at(payer), at(payee)]
  const reader = createPublicClient({ chain: foundry, transport, pollingInterval: 20 })
  const write = (account: Account) => createWalletClient({ chain: foundry, transport, account })
  const gasOf = async (sending: Promise<Hash>) => {
    const receipt = await reader.waitForTransactionReceipt({ hash: await sending })
    if (receipt.status !== 'success') throw new Error('a transaction reverted')
    return Number(receipt.gasUsed)
  }
  const configOf = (): ChannelConfig => ({
    payer: payer.address,
    signer: signer.address,
    payee: payee.address,
    delay: DELAY_SECONDS,
    flags: 0,
    salt: to0x(systemRandom(32)),
  })
  const channels = Array.from({ length: Math.max(...settledRows) }, configOf)
  const row = async (config: ChannelConfig, cumulative: bigint): Promise<SettlementRow> => {
    const id = channelIdOf(house, config)
    const signature = to0x(await signVoucher(signer, { house, id }, cumulative))
    return { config, cumulative, signature }
  }

  const spender = [settings.house, 1_000n * DEPOSIT] as const
  const approve = { address: settings.token, abi: devTokenAbi, functionName: 'approve' } as const
  await gasOf(write(payer).writeContract({ ...approve, args: spender }))
  const contract = { address: settings.house, abi: clearingHouseAbi } as const
  const direct = configOf()
  const open = await gasOf(
    write(payer).writeContract({ ...contract, functionName: 'open', args: [direct, DEPOSIT] }),
  )
  const opened: number[] = []
  for (const config of channels) {
    const leave = await paying.authorizeOpen(config, DEPOSIT)
    opened.push(Number((await earning.openWithAuthorization(leave)).gasUsed))
  }
  const settleMany: Record<number, number> = {}
  let cumulative = 0n
  for (const rows of [1, ...settledRows]) {
    cumulative += 1_000n
    const settling = await Promise.all(channels.slice(0, rows).map((one) => row(one, cumulative)))
    settleMany[rows] = Number((await earning.settleMany(settling)).gasUsed)
  }
  const last = await row(direct, 500n)
  const close = await gasOf(
    write(payee).writeContract({
      ...contract,
      functionName: 'close',
      args: [last.config, last.cumulative, last.signature],
    }),
  )
  const relayedOpen = opened.at(-1) as number
  const settleOne = settleMany[1] as number
  return {
    open,
    relayedOpen,
    settleMany,
    close,
    /** Everything of one channel's life: relayed open, one settlement, close. */
    perAnswer: Object.fromEntries(
      ANSWERS.map((answers) => [answers, Math.ceil((relayedOpen + settleOne + close) / answers)]),
    ),
  }
}

type Account = ReturnType<typeof privateKeyToAccount>
