/**
 * Two devices in one process whose lives can end at any act: a storage operation, a piece of data on
 * a stream, a call to the chain. What was done is done, and nothing else ever happens in that life.
 */
import type { Hex } from 'viem'
import { replayEvidence } from '../audit/replay.ts'
import { from0x, toHex } from '../bytes.ts'
import type { Chain, Debt } from '../clearing/chain.ts'
import { checkDebt } from '../clearing/debt.ts'
import { unsettled } from '../clearing/keeper.ts'
import { rawCost } from '../clearing/meter.ts'
import { NO_ORDERS } from '../clearing/no-orders.fixture.ts'
import { channelIdOf } from '../clearing/typed-data.ts'
import { checkVoucher } from '../clearing/voucher.ts'
import { createToyModel, TOY_INFO } from '../engine/toy-model.fixture.ts'
import { ClearingError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { checkEvidence } from '../lending/evidence.ts'
import { borrower, createHandClock, HOUSE, lender, PRICES } from '../lending/lending.fixture.ts'
import { createMemoryNetwork } from '../mesh/memory-mesh.fixture.ts'
import { type Clock, systemRandom } from '../platform.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import type { Storage, Table } from '../storage.ts'
import type { CompletionInit } from './completions.ts'
import { createDevice, type Device } from './device.ts'
// A device loads these when it first needs them: here no time may pass meanwhile.
import './network.ts'
import '../routing/policy.ts'

export type Who = 'lender' | 'borrower'

const DEPOSIT = 100_000n
/** Long against what idle waiting may take for silence. */
const WAIT_MS = 20_000
const DEADLINES = {
  connectMs: WAIT_MS,
  silenceMs: WAIT_MS,
  beatMs: WAIT_MS,
  firstTokenMs: WAIT_MS,
  stallMs: WAIT_MS,
  handshakeMs: WAIT_MS,
  voucherMs: WAIT_MS,
  totalMs: 60_000,
}
export const HOLD_BACK_MS = 30_000
/** After this, what a dead process left is ended by the next one, and what it held back is late. */
export const LIFE_MS = DEADLINES.handshakeMs + DEADLINES.totalMs + HOLD_BACK_MS + 10_001
const EXIT_DELAY_SECONDS = 172_800

/** One life of one device: it ends after so many acts. */
interface Life {
  device: Device
  acts(): number
  isDead(): boolean
  die(): void
  /** Takes the end back that was set for it. */
  spare(): void
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** @param init.isMutual both lend, and each pays the other */
export async function createWorld(init: { windowTokens: number; isMutual?: boolean | undefined }) {
  const clock = createHandClock()
  const network = createMemoryNetwork()
  const disks: Record<Who, Storage> = {
    lender: createMemoryStorage(),
    borrower: createMemoryStorage(),
  }
  const ledger = createLedger()
  const lives = new Map<Who, Life>()
  /** Rises with everything that happens anywhere: while it stands still, everybody waits. */
  let pulse = 0

  async function boot(who: Who, dies = Number.POSITIVE_INFINITY): Promise<Life> {
    const identity: Identity = who === 'lender' ? lender : borrower
    let count = 0
    let dieAfter = dies
    let isDead = false
    const never = new Promise<never>(() => {})
    const mayAct = (): boolean => {
      pulse++
      if (!isDead && count >= dieAfter) die()
      if (isDead) return false
      count++
      return true
    }
    const act = async <T>(work: () => Promise<T>): Promise<T> => {
      if (!mayAct()) return never
      const result = await work()
      return isDead ? never : result
    }
    const mesh = network.node(identity.device, mayAct)
    const die = () => {
      isDead = true
      mesh.cut()
    }
    const spare = () => {
      dieAfter = Number.POSITIVE_INFINITY
    }
    const ownClock: Clock = {
      now: () => clock.now(),
      after: (ms, fn) => {
        pulse++
        return clock.after(ms, () => {
          pulse++
          if (!isDead) fn()
        })
      },
    }
    const device = createDevice(
      { deadlines: DEADLINES, keeper: { worthUnits: 1n }, readyAhead: true },
      {
        clock: ownClock,
        random: systemRandom,
        log: () => {
          pulse++
        },
        storage: mortal(disks[who], act),
        engine: { load: async () => createToyModel(), [Symbol.asyncDispose]: async () => {} },
        models: {
          names: 'only toy',
          find: async () => ({
            source: 'toy',
            manifest: { files: [] },
            chunkHashes: new Uint8Array(),
          }),
          read: async () => new Uint8Array(),
        },
        headers: {
          get: async () => null,
          put: async () => {},
          remove: async () => {},
          source: (name) => name,
        },
        calibration: [],
        identity,
        mesh,
        chain: ledger.chainOf(identity, act),
      },
    )
    const life: Life = { device, acts: () => count, isDead: () => isDead, die, spare }
    lives.set(who, life)
    if (who === 'lender' || init.isMutual) await within(who, lend(device))
    return life
  }

  async function lend(device: Device): Promise<void> {
    await device.lending.start({
      models: ['toy'],
      payment: {
        chainId: HOUSE.chainId,
        house: new Uint8Array(20).fill(7),
        token: new Uint8Array(20).fill(8),
        leastExitDelaySeconds: EXIT_DELAY_SECONDS,
        prices: PRICES,
        windowTokens: init.windowTokens,
        promptCapTokens: 64,
        holdBackMs: HOLD_BACK_MS,
        relaysOpening: true,
        relayFee: 0,
      },
    })
  }

  /**
   * Lets time pass whenever nothing else happens, until `work` has ended, or who does it is dead.
   * @throws when it waits for longer than every deadline
   */
  async function within<T>(whose: Who, work: Promise<T>): Promise<T | 'dead'> {
    let isDone = false
    const ended = work.finally(() => {
      isDone = true
    })
    ended.catch(() => {})
    const startedMs = clock.now()
    let stepMs = 50
    while (!isDone) {
      const before = pulse
      for (let i = 0; i < 3 && !isDone; i++) await new Promise((next) => setTimeout(next, 2))
      if (isDone) break
      if (pulse !== before) {
        stepMs = 50
        continue
      }
      // Whoever waited for it is no more.
      if (lives.get(whose)?.isDead()) return 'dead'
      if (clock.now() - startedMs > 4 * LIFE_MS) throw new Error('stuck: nothing ends it')
      clock.pass(stepMs)
      stepMs *= 2
    }
    return ended
  }

  const lifeOf = (who: Who): Life => {
    const life = lives.get(who)
    if (life === undefined) throw new Error(`${who} never lived`)
    return life
  }

  /** Opens a channel to the other one, as far as both live. */
  async function open(who: Who = 'borrower'): Promise<void> {
    const { device } = lifeOf(who)
    const work = (async () => {
      const other = who === 'borrower' ? lender : borrower
      const known = await device.peers.ask(`/memory/${toHex(other.device)}`)
      await device.channels.open(known, DEPOSIT)
    })()
    await within(
      who,
      work.catch(() => {}),
    )
  }

  /** Borrows one answer to its end, paid. */
  async function borrow(maxTokens: number, who: Who = 'borrower'): Promise<string> {
    const { device } = lifeOf(who)
    const work = (async () => {
      const completion = await device.complete(question(maxTokens))
      await completion.settled
      await device.borrowing.idle()
      return (completion.error as { reason?: string } | null)?.reason ?? 'whole'
    })()
    // What was refused before it began is an end too.
    return within(
      who,
      work.catch((error: { reason?: string }) => error.reason ?? 'failed'),
    )
  }

  return {
    clock,
    disks,
    ledger,
    boot,
    within,
    lifeOf,
    /** Kills what lives and starts it anew from its disk. */
    reboot: async (who: Who, dieAfter?: number) => {
      lives.get(who)?.die()
      return boot(who, dieAfter)
    },
    meet: async () => {
      await boot('lender')
      await boot('borrower')
      await open()
    },
    open,
    borrow,
    /** Asks for the exit of the borrower's channel, as far as it lives. */
    leave: async (): Promise<void> => {
      const { device } = lifeOf('borrower')
      // Who leaves pays the gas itself; an opening is submitted by the lender.
      ledger.purse.native = 10n ** 18n
      const work = (async () => {
        for (const [, { id }] of await device.tables.channels.list()) {
          await device.channels.leave(id)
        }
      })()
      await within(
        'borrower',
        work.catch(() => {}),
      )
    },
    /** Each owes the other something. */
    owe: async (tokens: Record<Who, number>) => {
      await open('lender')
      for (const who of ['borrower', 'lender'] as const) await borrow(tokens[who], who)
    },
    /** One round of set-offs, as far as `who` lives. @returns what was cancelled on each channel */
    setOff: async (who: Who): Promise<bigint> => {
      const { device } = lifeOf(who)
      const work = (async () => {
        await device.keeper?.refresh()
        const { rings } = await device.setOff.round()
        return rings.reduce((sum, ring) => (ring.result === 'done' ? sum + ring.amount : sum), 0n)
      })()
      const amount = await within(
        who,
        work.catch(() => 0n),
      )
      return amount === 'dead' ? 0n : amount
    },
  }
}

const question = (maxTokens: number): CompletionInit => ({
  model: 'toy',
  scope: 'market',
  via: 'peer',
  temperature: 1,
  maxTokens,
  messages: [{ role: 'user', content: 'hare' }],
})

/** A disk that outlives its process, as seen by one life. */
function mortal(disk: Storage, act: <T>(work: () => Promise<T>) => Promise<T>): Storage {
  return {
    table<T>(name: string): Table<T> {
      const table = disk.table<T>(name)
      return {
        get: (key) => act(() => table.get(key)),
        put: (key, value) => act(() => table.put(key, value)),
        update: (key, change) => act(() => table.update(key, change)),
        list: () => act(() => table.list()),
      }
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

const NO_CHANNEL = { deposit: 0n, settled: 0n, exitRequestedAt: 0 }

/** The contract's rules for channels, in a few lines. */
function createLedger() {
  const channels = new Map<Hex, { deposit: bigint; settled: bigint; exitRequestedAt: number }>()
  const purse = { native: 1n }
  const seen = (id: Hex): Awaited<ReturnType<Chain['channel']>> => {
    const found = channels.get(id)
    const status = found ? 'open' : 'none'
    const { deposit, settled, exitRequestedAt } = found ?? NO_CHANNEL
    const depth = { confirmedDeposit: deposit, isCloseYoung: false }
    return { deposit, ...depth, settled, status, exitRequestedAt }
  }
  const covered = async (debt: Debt, amount: bigint) => {
    const channel = channels.get(await checkDebt(HOUSE, debt))
    if (channel === undefined) throw new ClearingError({ what: 'no such channel' })
    const limit = debt.total < channel.deposit ? debt.total : channel.deposit
    if (channel.settled + amount > limit) throw new ClearingError({ what: 'it is not owed' })
    return channel
  }
  const mined = { hash: `0x${'00'.repeat(32)}`, blockNumber: 1n, gasUsed: 1n, feeWei: 1n } as const
  return {
    channels,
    purse,
    chainOf: (_: Identity, act: <T>(work: () => Promise<T>) => Promise<T>): Chain => {
      const unused = async (): Promise<never> => {
        throw new ClearingError({ what: 'this ledger does not do that' })
      }
      return {
        house: HOUSE,
        token: HOUSE.address,
        orders: NO_ORDERS,
        channel: (id) => act(async () => seen(id)),
        balances: async () => ({ wallet: 0n, ledger: 0n, ...purse }),
        authorizeOpen: async (config, amount) => {
          const signature = `0x${'00'.repeat(65)}` as const
          return { config, amount, validAfter: 0, validBefore: 1, signature }
        },
        openWithAuthorization: ({ config, amount }) =>
          act(async () => {
            const id = channelIdOf(HOUSE, config)
            if (channels.has(id)) throw new ClearingError({ what: 'it is open' })
            channels.set(id, { deposit: amount, settled: 0n, exitRequestedAt: 0 })
            return mined
          }),
        settleMany: (rows) =>
          act(async () => {
            for (const { config, cumulative, signature } of rows) {
              const id = channelIdOf(HOUSE, config)
              const sig = from0x(signature)
              await checkVoucher({ house: HOUSE, id, config }, cumulative, sig)
              const channel = channels.get(id)
              if (channel === undefined) throw new ClearingError({ what: 'no such channel' })
              const worth = cumulative < channel.deposit ? cumulative : channel.deposit
              if (worth > channel.settled) channel.settled = worth
            }
            return { ...mined, skipped: [] }
          }),
        setOff: (ring, amount) =>
          act(async () => {
            const debts = await Promise.all(ring.map((debt) => covered(debt, amount)))
            for (const channel of debts) {
              channel.settled += amount
              channel.deposit += amount
            }
            return mined
          }),
        setOffCost: (ring, amount) =>
          act(async () => {
            await Promise.all(ring.map((debt) => covered(debt, amount)))
            return { gas: 1n, feeWei: 1n }
          }),
        requestClose: (config) =>
          act(async () => {
            const channel = channels.get(channelIdOf(HOUSE, config))
            if (!channel || channel.exitRequestedAt > 0) {
              throw new ClearingError({ what: 'it cannot be left' })
            }
            channel.exitRequestedAt = 1
            return mined
          }),
        finalizeClose: unused,
        openings: unused,
        withdraw: unused,
      }
    },
  }
}

/** What is on the two disks and in the contract, once all deadlines are past and everybody is back. */
export async function judge(world: World): Promise<string[]> {
  const problems: string[] = []
  const say = (what: string) => problems.push(what)
  const [one, other] = [world.lifeOf('borrower').device, world.lifeOf('lender').device]
  await judgeOneWay(world, one, other, say)
  await judgeOneWay(world, other, one, say)
  // What is set off comes into both channels of a pair, and is settled on both.
  const added = new Set([...world.ledger.channels.values()].map(({ deposit }) => deposit - DEPOSIT))
  if (added.size > 1) say(`set off are ${[...added].join(' and ')}`)
  return problems
}

/** What `one` borrowed from `other`. */
async function judgeOneWay(
  world: World,
  one: Device,
  other: Device,
  say: (what: string) => void,
): Promise<void> {
  const model = createToyModel()
  const rows = (await one.tables.answers.list()).map(([, row]) => row)
  let raw = 0n
  for (const row of rows) {
    if (row.end === 'running' || row.payment === 'open')
      say(`${row.id} is ${row.end}/${row.payment}`)
    const { evidence } = row
    const count = evidence?.signed?.count ?? 0
    if (count !== row.tokens) say(`${row.id} counts ${row.tokens} tokens and shows ${count}`)
    if (count === 0 || evidence === null) continue
    raw += rawCost(PRICES, row.promptTokens, 0, count)
    const why = await checkEvidence(evidence)
    if (why !== null) say(`${row.id} is no evidence: ${why}`)
    const positions = await replayEvidence(model, evidence)
    if (positions.some(({ margin }) => margin > 0)) say(`${row.id} is not what the model says`)
    if (model.info.modelId !== TOY_INFO.modelId) say('another model')
  }
  const cost = (raw + 999_999n) / 1_000_000n
  const payers = (await one.tables.channels.list())
    .map(([, row]) => row)
    .filter(({ role }) => role === 'payer')
  const paid = payers.reduce((sum, { cumulative }) => sum + cumulative, 0n)
  if (paid !== cost) say(`answers on disk cost ${cost}, signed are ${paid}`)
  for (const payer of payers) {
    const payee = await other.tables.channels.get(payer.id)
    if (payee === undefined) {
      say('the lender does not know the channel')
      continue
    }
    if (payee.cumulative !== payer.cumulative) {
      say(`signed are ${payer.cumulative}, received ${payee.cumulative}`)
    }
    for (const [side, record] of Object.entries({ payer, payee })) {
      for (const [id, { state }] of Object.entries(record.answers)) {
        say(`${id} is ${state} at the ${side}`)
      }
    }
    await other.keeper?.settle(true)
    const after = await other.tables.channels.get(payer.id)
    const settled = world.ledger.channels.get(payer.id)?.settled
    if (settled !== payer.cumulative) say(`settled are ${settled}, signed ${payer.cumulative}`)
    if (after && unsettled(after) !== 0n) say('more is unsettled than the contract pays')
  }
  for (const [, { id, end }] of await other.tables.lent.list()) {
    if (end === 'running') say(`${id} still runs at the lender`)
  }
  if ((await one.egress.verify()) !== null) say('the egress log does not hold')
}
