/** Real devices on a real chain for tests: libp2p over loopback, llama.cpp with the bundled model. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { from0x } from '@freehold/core/bytes'
import type { Chain } from '@freehold/core/clearing/chain'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import type { CompletionInit } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { LendInit, Lending, LendTerms } from '@freehold/core/device/lending'
import type { KnownOffer } from '@freehold/core/device/peers'
import type { Engine } from '@freehold/core/engine/engine'
import { createToyModel, type ToyModelInit } from '@freehold/core/engine/toy-model.fixture'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { type Address, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { type DevChain, startDevChain } from '../chain/dev-chain.ts'
import { pathsOf } from '../config.ts'
import { type OpenDeviceInit, openDevice } from './open-device.ts'

export const TCP = '/ip4/127.0.0.1/tcp/0'
export const WEB_SOCKETS = '/ip4/127.0.0.1/tcp/0/ws'
export const MODEL = 'acorn'
export const DEPOSIT = 1_000_000n
const MINTED = 5_000_000n
/** A machine that has much else to do is not dead. */
const PATIENT = { connectMs: 10_000, silenceMs: 10_000, hedgeMs: 10_000 }

/** A device and what it takes to open it again. */
export interface Inhabitant extends AsyncDisposable {
  device: Device
  home: string
  phrase: string
  /** Closes the device and opens it anew from what is on its disk. */
  restart(): Promise<Device>
}

export interface Town extends AsyncDisposable {
  chain: DevChain
  /** Reads the chain as anybody can. */
  look: Pick<Chain, 'channel' | 'balances' | 'orders'>
  /** A device of a new owner, or of `phrase`, with tokens and without native coin. */
  inhabitant(init?: Partial<OpenDeviceInit> & { home?: string }): Promise<Inhabitant>
  /** A device that lends the bundled model; it has native coin. */
  lender(
    init?: Partial<LendInit> & { device?: Partial<OpenDeviceInit> },
  ): Promise<Inhabitant & { lending: Lending }>
}

export function termsOn(chain: ChainSettings, changes: Partial<LendTerms> = {}): LendTerms {
  return {
    chainId: chain.chainId,
    house: from0x(chain.house),
    token: from0x(chain.token),
    leastExitDelaySeconds: 172_800,
    prices: { prompt: 200_000, cached: 20_000, output: 1_000_000 },
    windowTokens: 16,
    promptCapTokens: 1_024,
    holdBackMs: 60_000,
    relaysOpening: true,
    relayFee: 0,
    ...changes,
  }
}

export async function createTown(): Promise<Town> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-town-'))
  const chain = await startDevChain()
  const inhabitants: Inhabitant[] = []
  let homes = 0

  const inhabitant: Town['inhabitant'] = async (init = {}) => {
    const home = init.home ?? join(folder, String(homes++))
    const phrase = init.phrase ?? createPhrase(systemRandom)
    const open = () =>
      openDevice({
        listen: [],
        chain: chain.settings,
        limits: { newPerSecond: 100 },
        ...init,
        deadlines: { ...PATIENT, ...init.deadlines },
        paths: pathsOf({ home }),
        phrase,
      })
    const self: Inhabitant = {
      device: await open(),
      home,
      phrase,
      restart: async () => {
        await self.device[Symbol.asyncDispose]()
        self.device = await open()
        return self.device
      },
      [Symbol.asyncDispose]: () => self.device[Symbol.asyncDispose](),
    }
    inhabitants.push(self)
    await chain.mint(accountOf(self.device), MINTED)
    return self
  }

  const { chainId, house: address, token, rpc } = chain.settings
  const account = privateKeyToAccount(generatePrivateKey())
  return {
    chain,
    look: createViemChain(
      { house: { chainId, address }, token, account },
      { transport: http(rpc), clock: systemClock },
    ),
    inhabitant,
    lender: async ({ device: init = {}, ...lendInit } = {}) => {
      const self = await inhabitant({ listen: [TCP], ...init })
      await chain.fund(accountOf(self.device), '1')
      const lending = await self.device.lending.start({
        models: [MODEL],
        payment: termsOn(chain.settings),
        contextTokens: 512,
        ...lendInit,
      })
      return Object.assign(self, { lending })
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(inhabitants.map((one) => one[Symbol.asyncDispose]()))
      await chain[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function accountOf({ identity }: Device): Address {
  if (identity === null) throw new Error('this device has no keys')
  return identity.wallet.address
}

/** An engine whose models answer at once, or as slowly as a test wants. */
export function toyEngine(init: ToyModelInit = {}): Engine {
  return {
    load: async () => createToyModel(init),
    [Symbol.asyncDispose]: async () => {},
  }
}

/** Meets a lender and opens a channel to it. */
export async function befriend(
  borrower: Device,
  lending: Lending,
  deposit: bigint = DEPOSIT,
): Promise<{ known: KnownOffer; channel: ChannelRecord }> {
  const known = await borrower.peers.ask(lending.addresses()[0] ?? '')
  const { record } = await borrower.channels.open(known, deposit)
  return { known, channel: record }
}

/** What the only channel that `one` pays `other` on says on either side. */
export async function channels(one: Device, other: Device) {
  const rows = async (device: Device) => (await device.tables.channels.list()).map(([, row]) => row)
  const payees = new Map((await rows(other)).map((row) => [row.id, row]))
  for (const payer of await rows(one)) {
    const payee = payees.get(payer.id)
    if (payer.role === 'payer' && payee !== undefined) return { payer, payee }
  }
  throw new Error('there is no channel between these two')
}

export const question = (changes: Partial<CompletionInit> = {}): CompletionInit => ({
  model: MODEL,
  messages: [{ role: 'user', content: 'Tell a story about a hare.' }],
  scope: 'market',
  via: 'peer',
  temperature: 1,
  maxTokens: 40,
  ...changes,
})

/** Price of what was borrowed, unrounded, in millionths of a token unit. */
export function rawPrice({
  promptTokens,
  tokens,
}: {
  promptTokens: number
  tokens: number
}): bigint {
  return BigInt(promptTokens * 200_000 + tokens * 1_000_000)
}

export const roundUp = (raw: bigint): bigint => (raw + 999_999n) / 1_000_000n
