import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import { createToyModel } from '@freehold/core/engine/toy-model.fixture'
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { http } from 'viem'
import { type DevChain, startDevChain } from '../chain/dev-chain.ts'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { BUNDLED } from '../models/acorn.ts'
import { runEpoch } from './epoch.ts'
import { findOrphans } from './orphans.ts'
import { planKills } from './plan.ts'
import type { PartySettings } from './protocol.ts'
import { blame, createTally, type Tally } from './tally.ts'
import { readDisk, verifyDisks } from './verify.ts'

export interface CampaignInit {
  seed: string
  kills: number
  /** Kills on one channel, before it is settled and compared. @default 20 */
  killsPerChannel?: number | undefined
  /** Every so many channels the real engine computes, in its own process; 0: never. @default 3 */
  nativeEvery?: number | undefined
  /** Channels at once. @default 2 */
  jobs?: number | undefined
  say?: ((text: string) => void) | undefined
}

const MINTED = 5_000_000n
const DEPOSIT = 1_000_000n
const WINDOW = 16
const EXIT_DELAY_SECONDS = 172_800
/** Short, so that what a dead process left running ends soon; whoever is slower is asked again. */
const DEADLINES = {
  connectMs: 1_500,
  silenceMs: 2_000,
  beatMs: 500,
  firstTokenMs: 2_000,
  stallMs: 2_000,
  totalMs: 3_000,
  handshakeMs: 1_500,
  readyMs: 1_500,
  voucherMs: 2_000,
  chunkMs: 2_000,
  hedgeMs: 1_000,
}
const HOLD_BACK_MS = 1_500
const ORPHAN_MS = 10_000

/** A channel that was settled, whose money has still to come out. */
interface Left {
  record: ChannelRecord
  borrower: Identity
  lender: Identity
  where: string
}

/** Kills real processes at random points and counts what that cost; see `Tally`. */
export async function runCampaign(init: CampaignInit): Promise<Tally> {
  const { seed, kills, killsPerChannel = 20, nativeEvery = 3, jobs = 2, say = () => {} } = init
  const tally = createTally()
  const folder = await mkdtemp(join(tmpdir(), 'freehold-crash-'))
  const left: Left[] = []
  try {
    await using chain = await startDevChain()
    const epochs = Math.ceil(kills / killsPerChannel)
    let next = 0
    const work = async () => {
      for (let e = next++; e < epochs; e = next++) {
        const isNative = nativeEvery > 0 && e % nativeEvery === nativeEvery - 1
        const share = Math.min(killsPerChannel, kills - e * killsPerChannel)
        const where = `seed ${seed}, channel ${e + 1}`
        const engine = isNative ? 'llama' : 'toy'
        const home = join(folder, String(e))
        left.push(...(await runChannel(tally, { chain, home, where, share, engine })))
        say(`${where} (${engine}): ${tally.kills} kills so far, ${tally.problems.length} problems`)
      }
    }
    await Promise.all(Array.from({ length: jobs }, work))
    await leaveAll(tally, chain, left)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return tally
}

async function runChannel(
  tally: Tally,
  init: { chain: DevChain; home: string; where: string; share: number; engine: 'toy' | 'llama' },
): Promise<Left[]> {
  const { chain, home, where, share, engine } = init
  const port = await freePort()
  const settle = async (name: string): Promise<{ settings: PartySettings; identity: Identity }> => {
    const phrase = createPhrase(systemRandom)
    const identity = await deriveIdentity(phrase, 0)
    await chain.mint(identity.wallet.address, MINTED)
    await chain.fund(identity.wallet.address, '1')
    const settings: PartySettings = {
      home: join(home, name),
      phrase,
      chain: chain.settings,
      port,
      engine,
      deadlines: DEADLINES,
      holdBackMs: HOLD_BACK_MS,
      windowTokens: WINDOW,
      stepMs: 2,
    }
    return { settings, identity }
  }
  const [lender, borrower] = [await settle('lender'), await settle('borrower')]
  const mark = home
  const plan = planKills(where, share, engine)
  await runEpoch(
    {
      settings: { lender: lender.settings, borrower: borrower.settings },
      address: `/ip4/127.0.0.1/tcp/${port}`,
      plan,
      deposit: DEPOSIT,
      mark,
      where,
    },
    tally,
  )
  const orphans = await findOrphans(mark, ORPHAN_MS)
  blame(tally, 'stuck', orphans.length, `${where}: processes without a parent: ${orphans.join()}`)
  for (const pid of orphans) process.kill(pid, 'SIGKILL')

  await using native = createLlamaEngine({ gpu: false })
  const model =
    engine === 'toy'
      ? createToyModel()
      : await native.load(BUNDLED.acorn ?? '', { contextTokens: 512, sequences: 1 })
  const disks = {
    borrower: await readDisk(borrower.settings.home),
    lender: await readDisk(lender.settings.home),
  }
  const records = await verifyDisks(tally, disks, { model, windowTokens: WINDOW, where })
  const paidOut = records.map((record) => ({
    record,
    where,
    borrower: borrower.identity,
    lender: lender.identity,
  }))
  await verifySettled(tally, chain, paidOut)
  return paidOut
}

/** What is on the chain against the two ledgers, to the unit. */
async function verifySettled(tally: Tally, chain: DevChain, all: readonly Left[]): Promise<void> {
  const [first] = all
  if (first === undefined) return
  const reader = chainOf(chain, first.lender)
  let earned = 0n
  for (const { record, where } of all) {
    const { settled, deposit } = await reader.channel(record.id)
    const owed = record.cumulative < deposit ? record.cumulative : deposit
    blame(tally, 'unitsLost', owed - settled, `${where}: not settled on ${record.id}`)
    blame(tally, 'unitsChargedTwice', settled - owed, `${where}: settled twice on ${record.id}`)
    earned += settled
  }
  const { ledger } = await reader.balances(first.lender.wallet.address)
  blame(tally, 'unitsLost', earned - ledger, `${first.where}: settled and not in the ledger`)
  blame(tally, 'unitsChargedTwice', ledger - earned, `${first.where}: in the ledger unsettled`)
}

/** Each payer leaves with what is left, each payee withdraws, with nothing but the chain. */
async function leaveAll(tally: Tally, chain: DevChain, all: readonly Left[]): Promise<void> {
  const attempt = async (where: string, what: string, work: () => Promise<unknown>) => {
    await work().catch((error) => blame(tally, 'stuck', 1, `${where}: ${what}: ${error}`))
  }
  for (const { record, borrower, where } of all) {
    await attempt(where, 'no exit', () => chainOf(chain, borrower).requestClose(record.config))
  }
  await chain.advance(EXIT_DELAY_SECONDS + 1)
  for (const { record, borrower, lender, where } of all) {
    await attempt(where, 'no close', () => chainOf(chain, borrower).finalizeClose(record.config))
    for (const identity of [borrower, lender]) {
      const { address } = identity.wallet
      const own = chainOf(chain, identity)
      const { ledger } = await own.balances(address)
      if (ledger === 0n) continue
      await attempt(where, 'no withdrawal', () => own.withdraw(address, ledger))
    }
  }
  for (const { borrower, lender, where } of all) {
    const own = all.filter((one) => one.borrower === borrower)
    const paid = own.reduce((sum, { record }) => sum + record.cumulative, 0n)
    const reader = chainOf(chain, borrower)
    const after = (await reader.balances(borrower.wallet.address)).wallet
    const got = (await reader.balances(lender.wallet.address)).wallet
    blame(tally, 'unitsLost', MINTED - paid - after, `${where}: the borrower got too little back`)
    blame(tally, 'unitsLost', MINTED + paid - got, `${where}: the lender withdrew too little`)
  }
}

function chainOf({ settings: { chainId, house, token, rpc } }: DevChain, { wallet }: Identity) {
  const init = { house: { chainId, address: house }, token, account: wallet }
  return createViemChain(init, { transport: http(rpc), clock: systemClock })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
