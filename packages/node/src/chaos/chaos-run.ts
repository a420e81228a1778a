import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { orAborted } from '@freehold/core/abort'
import { calibrate } from '@freehold/core/audit/calibrate'
import type { CalibrationTable } from '@freehold/core/audit/calibration'
import { toHex } from '@freehold/core/bytes'
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { type DevChain, startDevChain } from '../chain/dev-chain.ts'
import { findOrphans } from '../crash/orphans.ts'
import { type PartyProcess, startParty } from '../crash/party-process.ts'
import { blame, createTally, type Tally } from '../crash/tally.ts'
import { seededDice } from '../demo/dice.ts'
import { mountSmallDisk, type SmallDisk } from './disk.ts'
import { type Done, type FaultFigures, figuresOf, type Observed } from './figures.ts'
import { type Fault, isLie, planFaults } from './plan.ts'
import type { TownOrder, TownSettings, TownWord } from './protocol.ts'
import { otherModel, standInModel } from './stand-in-engine.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { verifyTown } from './verify-town.ts'

const ENTRY = fileURLToPath(new URL('./town-process.ts', import.meta.url))

export interface ChaosInit {
  seed: string
  seconds: number
  lenders: number
  borrowers: number
  /** Answers that each borrower has at once. */
  parallel: number
  everyMs: number
  /** Longest time of one answer. */
  totalMs: number
  say: (text: string) => void
  /** Ends the run, its processes and its disks. */
  signal?: AbortSignal | undefined
}

/** What a run counts; the last six are zero, or something is broken. */
export interface ChaosResult {
  seed: string
  minutes: number
  devices: number
  faults: FaultFigures[]
  answers: number
  answersWrongUnnoticed: number
  lendersAskedAfterFail: number
  unitsLost: number
  unitsChargedTwice: number
  bytesOutOfScope: number
  stuck: number
  problems: string[]
}

type Process = PartyProcess<TownOrder, TownWord>

export interface Townsman {
  name: string
  role: 'lender' | 'borrower'
  settings: TownSettings
  identity: Identity
  /** Device key, hex. */
  key: string
  process: Process
  /** It is killed, out of disk or told to stop. */
  mayEnd: boolean
  proxy: TcpProxy | null
  disk: SmallDisk | null
}

const HANDSHAKE_MS = 5_000
const WINDOW = 16
const HOLD_BACK_MS = 8_000
const DEPOSIT = 1_000_000n
const READY_MS = 120_000
const STUCK_MS = 60_000
const GRACE_MS = 6_000
/** Offers allow for a minute. */
const SKEW_MS = 15_000
/** A lender that came back is left in peace for so long. */
const AGAIN_MS = 2_000
const NEXT_MS = 100
/** The borrower of this number lets its prompts travel to friends only: half of the honest lenders. */
const SHY = 0

/** Runs a town of devices for so long while its lenders fail, then counts what that cost. */
export async function runChaos(init: ChaosInit): Promise<ChaosResult> {
  const { seed, seconds, say } = init
  const folder = await mkdtemp(join(tmpdir(), 'freehold-chaos-'))
  const tally = createTally()
  const town: Townsman[] = []
  const observed: Observed & { done: Done[] } = { done: [], moves: [], lies: [], convicted: [] }
  const chain = await startDevChain()
  const run = async (): Promise<ChaosResult> => {
    const calibration = await calibrateStandIn()
    await settleTown(init, { town, folder, chain, calibration })
    for (const one of town) start(one, folder, { observed, tally })
    await within(
      READY_MS,
      town.map(({ process }) => process.ready),
    )
    await openChannels(town, tally)
    say(`${town.length} devices are up`)
    const startedMs = Date.now()
    const asking = new AbortController()
    const asks = borrowers(town).flatMap((one, i) =>
      Array.from({ length: init.parallel }, (_, j) =>
        keepAsking(one, seededDice(`${seed}/${i}/${j}`), asking.signal, { tally, observed }),
      ),
    )
    const plan = planFaults(seed, init)
    await Promise.all(
      plan.map((fault) => commit(fault, { town, chain, folder, observed, tally, say })),
    )
    await setTimeout(Math.max(0, startedMs + seconds * 1_000 - Date.now()))
    asking.abort()
    const answers = (await Promise.all(asks)).reduce((sum, one) => sum + one, 0)
    const minutes = (Date.now() - startedMs) / 60_000
    say('the faults are over; the town comes to rest')
    await comeToRest(town, { tally, observed, lifeMs: init.totalMs + HANDSHAKE_MS + GRACE_MS })
    const counts = await verifyTown(tally, town, { observed, windowTokens: WINDOW })
    const faults = figuresOf(observed, tally)
    const { unitsLost, unitsChargedTwice, problems } = tally
    const orphans = await findOrphans(folder, 10_000)
    blame(tally, 'stuck', orphans.length, `processes without a parent: ${orphans.join()}`)
    return {
      ...{ seed, minutes: Math.round(10 * minutes) / 10, devices: town.length, faults, answers },
      ...{ ...counts, unitsLost, unitsChargedTwice, stuck: tally.stuck, problems },
    }
  }
  try {
    return await orAborted(run(), init.signal)
  } finally {
    for (const one of town) one.mayEnd = true
    for (const { process: one, proxy, disk } of town) {
      await one?.kill()
      await proxy?.[Symbol.asyncDispose]()
      await disk?.[Symbol.asyncDispose]()
    }
    await chain[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
}

const borrowers = (town: readonly Townsman[]) => town.filter(({ role }) => role === 'borrower')
const lenders = (town: readonly Townsman[]) => town.filter(({ role }) => role === 'lender')

/** The stand-in's own table: an audit decides only what it was calibrated for. */
function calibrateStandIn(): Promise<CalibrationTable> {
  const prompts = Array.from({ length: 8 }, (_, i) =>
    Array.from({ length: 40 }, (__, j) => (7 * i + 3 * j) % 47),
  )
  return calibrate(
    { lenders: [standInModel()], cheats: { 'wrong-model': otherModel() }, random: systemRandom },
    { prompts, maxTokens: 200, temperature: 1, conditions: 'the stand-in' },
  )
}

async function settleTown(
  init: ChaosInit,
  parts: {
    town: Townsman[]
    folder: string
    chain: DevChain
    calibration: CalibrationTable
  },
): Promise<void> {
  const { town, folder, chain, calibration } = parts
  const dice = seededDice(`${init.seed}/keys`)
  for (let i = 0; i < init.lenders + init.borrowers; i++) {
    const role = i < init.lenders ? 'lender' : 'borrower'
    const name = `${role}-${role === 'lender' ? i : i - init.lenders}`
    // The same keys for the same seed: who is asked first goes by them.
    const phrase = createPhrase((length) =>
      Uint8Array.from({ length }, () => Math.floor(256 * dice())),
    )
    const identity = await deriveIdentity(phrase, 0)
    await chain.mint(identity.wallet.address, 50_000_000n)
    await chain.fund(identity.wallet.address, '1')
    const home = join(folder, name)
    // Lender and proxy exchange their ports: the proxy's is known first.
    const port = role === 'lender' ? await freePort() : 0
    const isShy = role === 'borrower' && i - init.lenders === SHY
    const known = town.filter((one) => one.role === 'lender')
    town.push({
      ...{ name, role, identity, key: toHex(identity.device) },
      ...{ process: undefined as unknown as Process, mayEnd: false },
      proxy: role === 'lender' ? await startTcpProxy(port) : null,
      disk: role === 'lender' ? await mountSmallDisk(home) : null,
      settings: {
        ...{ home, phrase, chain: chain.settings, port, calibration, windowTokens: WINDOW },
        deadlines: { totalMs: init.totalMs, handshakeMs: HANDSHAKE_MS },
        holdBackMs: HOLD_BACK_MS,
        scope: isShy ? 'friends' : 'market',
        friends: isShy
          ? known.filter((_, j) => j % 2 === 1).map((one) => peerName(one.identity.device))
          : [],
      },
    })
  }
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

function start(
  one: Townsman,
  mark: string,
  { observed: { lies, convicted }, tally }: { observed: Observed; tally: Tally },
): void {
  one.process = startParty<TownOrder, TownWord, TownSettings>(one.role, one.settings, mark, ENTRY)
  one.process.onWord = (word) => {
    if (word.said === 'lied') (lies as unknown[]).push({ ...word, lender: one.key })
    else if (word.said === 'convicted') (convicted as unknown[]).push({ ...word, by: one.name })
    else if (word.said === 'serving') servedAt.set(one.key, word.atMs)
  }
  const life = one.process
  one.mayEnd = false
  void life.ended.then(() => {
    if (!one.mayEnd) blame(tally, 'stuck', 1, `${one.name} died by itself: ${life.said()}`)
  })
}

/** When a lender has computed a token last. */
const servedAt = new Map<string, number>()

function addressOf({ proxy, identity }: Townsman): string {
  return `/ip4/127.0.0.1/tcp/${proxy?.port}/p2p/${peerName(identity.device)}`
}

async function openChannels(town: readonly Townsman[], tally: Tally): Promise<void> {
  await Promise.all(
    borrowers(town).map(async (one) => {
      for (const lender of lenders(town)) {
        const order = { do: 'open', address: addressOf(lender), amount: String(DEPOSIT) } as const
        const word = await one.process.tell(order, STUCK_MS)
        if (word?.said !== 'failed') continue
        blame(tally, 'stuck', 1, `no channel from ${one.name} to ${lender.name}: ${word.why}`)
      }
    }),
  )
}

/** The lender that computed last, of those to which nothing is done. */
function atWork(town: readonly Townsman[], { done }: Observed): Townsman {
  const now = Date.now()
  const free = lenders(town).filter(
    ({ key }) => !done.some((fault) => fault.lender === key && fault.untilMs + AGAIN_MS > now),
  )
  const [last] = (free.length > 0 ? free : lenders(town)).toSorted(
    (one, other) => (servedAt.get(other.key) ?? 0) - (servedAt.get(one.key) ?? 0),
  )
  return last as Townsman
}

function isLiar(key: string, { done }: Observed): boolean {
  return done.some(({ kind, lender }) => isLie(kind) && lender === key)
}

/** One answer after the other, until it is told to stop. @returns how many */
async function keepAsking(
  one: Townsman,
  dice: () => number,
  signal: AbortSignal,
  { tally, observed }: { tally: Tally; observed: Observed },
): Promise<number> {
  let answers = 0
  while (!signal.aborted) {
    const tokens = 40 + Math.floor(dice() * 80)
    const prompt = 'tell me more '.repeat(1 + Math.floor(dice() * 6))
    try {
      const word = await one.process.tell({ do: 'ask', tokens, prompt }, STUCK_MS)
      if (word === null) {
        blame(tally, 'stuck', 1, `${one.name} died: ${one.process.said()}`)
        return answers
      }
      if (word.said === 'answered') {
        answers++
        ;(observed.moves as unknown[]).push(...word.moves)
        if (word.error !== null) tally.problems.push(`${one.name}: ended with ${word.error}`)
      } else if (word.said === 'failed') tally.problems.push(`${one.name}: ${word.why}`)
    } catch (error) {
      blame(tally, 'stuck', 1, `${one.name}: ${String(error)}`)
    }
    await setTimeout(NEXT_MS)
  }
  return answers
}

/** Does a fault to a lender that is at work, if one is, and undoes it. */
async function commit(
  fault: Fault,
  parts: {
    town: Townsman[]
    chain: DevChain
    folder: string
    observed: Observed & { done: Done[] }
    tally: Tally
    say: (text: string) => void
  },
): Promise<void> {
  const { town, chain, folder, observed, tally, say } = parts
  const { kind } = fault
  await setTimeout(fault.atMs)
  const one = atWork(town, observed)
  if (one.process.isDead()) return
  if (kind === 'disk-full' && one.disk === null) {
    say(`no disk of its own can be mounted here: ${kind} is left out`)
    return
  }
  const done: Done = {
    kind,
    lender: kind === 'chain-down' ? null : one.key,
    fromMs: Date.now(),
    untilMs: Number.POSITIVE_INFINITY,
  }
  observed.done.push(done)
  say(`${Math.round(fault.atMs / 1_000)} s: ${kind} (${one.name})`)
  const tell = (order: TownOrder) => one.process.tell(order, STUCK_MS).catch(() => null)
  one.mayEnd = kind === 'killed' || kind === 'disk-full'
  if (kind === 'killed') await one.process.kill()
  else if (kind === 'frozen') process.kill(one.process.pid, 'SIGSTOP')
  else if (kind === 'cut-off') one.proxy?.cut()
  else if (kind === 'chain-down') chain.pause()
  else if (kind === 'skewed')
    await tell({ do: 'skew', ms: fault.lastsMs % 2 < 1 ? SKEW_MS : -SKEW_MS })
  else if (kind === 'disk-full') await one.disk?.fill()
  else await tell({ do: 'mood', mood: kind })
  // A liar lies on.
  if (isLie(kind)) return
  await setTimeout(fault.lastsMs)
  if (kind === 'killed') {
    start(one, folder, { observed, tally })
    await one.process.ready
  } else if (kind === 'frozen') process.kill(one.process.pid, 'SIGCONT')
  else if (kind === 'cut-off') one.proxy?.mend()
  else if (kind === 'chain-down') chain.resume()
  else if (kind === 'skewed') await tell({ do: 'skew', ms: 0 })
  else if (kind === 'disk-full') {
    await one.disk?.empty()
    if (one.process.isDead()) {
      start(one, folder, { observed, tally })
      await one.process.ready
    }
    one.mayEnd = false
  } else await tell({ do: 'mood', mood: 'well' })
  done.untilMs = Date.now()
}

/** Everybody is well again: what is due is handed over, and everybody stops. */
async function comeToRest(
  town: readonly Townsman[],
  { tally, observed, lifeMs }: { tally: Tally; observed: Observed; lifeMs: number },
): Promise<void> {
  const honest = lenders(town).filter(({ key }) => !isLiar(key, observed))
  const rest = () =>
    Promise.all(
      borrowers(town).map(async (one) => {
        try {
          await one.process.tell({ do: 'rest' }, STUCK_MS)
          for (const { key } of honest) {
            await one.process.tell({ do: 'ask', tokens: 2, prompt: 'bye', lender: key }, STUCK_MS)
          }
          await one.process.tell({ do: 'rest' }, STUCK_MS)
        } catch (error) {
          blame(tally, 'stuck', 1, `${one.name} comes to no rest: ${String(error)}`)
        }
      }),
    )
  await rest()
  await setTimeout(lifeMs + SKEW_MS)
  await rest()
  await setTimeout(HOLD_BACK_MS + GRACE_MS + SKEW_MS)
  await rest()
  for (const one of town) {
    one.mayEnd = true
    const stopped = one.process.tell({ do: 'stop' }, STUCK_MS).then(() => one.process.ended)
    await within(STUCK_MS, [stopped]).catch((error) => {
      blame(tally, 'stuck', 1, `${one.name} does not stop: ${String(error)}`)
    })
  }
}

async function within(ms: number, works: readonly Promise<unknown>[]): Promise<void> {
  const timer = new AbortController()
  const late = setTimeout(ms, 'late', { signal: timer.signal }).catch(() => null)
  const first = await Promise.race([Promise.all(works), late])
  timer.abort()
  if (first === 'late') throw new Error(`not done within ${ms} ms`)
}
