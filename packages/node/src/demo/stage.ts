import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toHex } from '@freehold/core/bytes'
import type { Chain } from '@freehold/core/clearing/chain'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { type Address, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { type DevChain, startDevChain } from '../chain/dev-chain.ts'
import { pathsOf } from '../config.ts'
import { writeVaultFile } from '../storage/vault-file.ts'
import { type LenderProcess, startLender } from './processes.ts'

const CHEAT_LENDER = fileURLToPath(new URL('./cheat-lender.ts', import.meta.url))

/** What the demo's lenders ask: 0.2 and 1 token (of 6 decimals) for a million tokens each. */
export const TERMS = {
  pricePrompt: 200_000,
  priceOutput: 1_000_000,
  window: 64,
  promptCap: 1_024,
  holdBack: 60,
  exitDelay: 172_800,
  relay: true,
  relayFee: 0,
}

/** A device of the demo: folder, keys, account. */
export interface Actor {
  name: string
  home: string
  phrase: string
  passphrase: string
  account: Address
}

/** A chain, a folder and the devices on it; everything is gone when it is disposed. */
export interface Stage extends AsyncDisposable {
  folder: string
  chain: DevChain
  /** `--chain` of the program. */
  chainText: string
  /** Reads the chain as anybody can. */
  look: Chain['channel']
  balances: Chain['balances']
  actor(name: string): Promise<Actor>
  lend(actor: Actor, model: string): Promise<LenderProcess>
  lendFalsely(actor: Actor, kind: string, model: string, served: string): Promise<LenderProcess>
}

export async function openStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-demo-'))
  const lenders: LenderProcess[] = []
  const chain = await startDevChain().catch(async (error) => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })
  const { rpc, chainId, house, token } = chain.settings
  const chainText = [rpc, chainId, house, token].join(',')
  const keep = async (starting: Promise<LenderProcess>) => {
    const lender = await starting
    lenders.push(lender)
    return lender
  }
  const onlooker = createViemChain(
    {
      house: { chainId, address: house },
      token,
      account: privateKeyToAccount(generatePrivateKey()),
    },
    { transport: http(rpc), clock: systemClock },
  )
  return {
    folder,
    chain,
    chainText,
    look: (id) => onlooker.channel(id),
    balances: (account) => onlooker.balances(account),
    actor: async (name) => {
      const home = join(folder, name)
      const phrase = createPhrase(systemRandom)
      const passphrase = toHex(systemRandom(16))
      const { wallet } = await deriveIdentity(phrase, 0)
      await writeVaultFile(pathsOf({ home }).vault, phrase, passphrase)
      return { name, home, phrase, passphrase, account: wallet.address }
    },
    lend: (actor, model) =>
      keep(
        startLender(
          [
            ...['lend', model, '--json', '--chain', chainText],
            ...['--price-prompt', String(TERMS.pricePrompt)],
            ...['--price-output', String(TERMS.priceOutput)],
          ],
          actor,
        ),
      ),
    lendFalsely: (actor, kind, model, served) =>
      keep(
        startLender([kind, model, chainText, JSON.stringify(TERMS), served], {
          ...actor,
          entry: CHEAT_LENDER,
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(lenders.map((lender) => lender[Symbol.asyncDispose]()))
      await chain[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
