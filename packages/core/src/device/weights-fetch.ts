import { sha256 } from '@noble/hashes/sha2.js'
import { equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import type { Clock, Log } from '../platform.ts'
import { CHUNK_BYTES } from '../wire/manifest.ts'
import type { Pace } from './pace.ts'
import { listKey, type SeederBans } from './seeders.ts'
import { type ChunkList, isListed, type WeightsSource } from './weights-source.ts'

/** Where the chunks of one file are gathered. Errors of its disk end the fetch. */
export interface WeightsSink {
  /** Prepares for a file of this size. @throws when there is no room for it */
  begin(sizeBytes: number): Promise<void>
  /** What an earlier fetch may have left of a chunk; null: nothing. */
  read(index: number): Promise<Uint8Array | null>
  /** Says whether that is the chunk. */
  mark(index: number, isRight: boolean): void
  write(index: number, data: Uint8Array): Promise<void>
  /** Whether the whole file has the SHA-256 that was asked for. */
  verify(): Promise<boolean>
}

export interface FetchWeightsInit {
  /** Of the whole file; this, and nothing that a seeder says, is what counts in the end. */
  sha256: Uint8Array
  sizeBytes: number | null
  /** SHA-256 over the chunk hashes, where somebody trusted says it; null: seeders’ word. */
  chunkRoot: Uint8Array | null
  addresses: readonly string[]
  /** From the first list on, others have so long to show theirs. @default 1 s */
  graceMs?: number | undefined
  /** Bytes that are here and fit the list that is gone by, and the size that it gives. */
  onBytes?: ((bytes: number, sizeBytes: number) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface FetchWeightsComponents {
  connect(address: string, signal: AbortSignal): Promise<WeightsSource>
  sink: WeightsSink
  bans: SeederBans
  pace: Pace
  clock: Clock
  log: Log
  hash?: ((data: Uint8Array) => Uint8Array) | undefined
}

export interface FetchedWeights {
  sizeBytes: number
  /** Bytes that came from each seeder and were kept, by device. */
  from: ReadonlyMap<string, number>
  /** Devices that were banned meanwhile. */
  banned: readonly string[]
}

/** Chunks that a seeder is asked for ahead: one on its way, one in its line. */
export const CHUNKS_AHEAD = 2
export const GRACE_MS = 1_000

/** Seeders that say the same of a file. */
interface Group {
  list: ChunkList
  sources: Set<WeightsSource>
  /** Devices that ever gave this list, those that are gone too. */
  givers: Set<string>
}

/** A chunk is asked for once more of somebody else when it takes three times as long as there, and so long. */
interface Line {
  indexes: Set<number>
  lastMs: number
}
const SLOW_MS = 2_000
const LOOK_MS = 500

/**
 * Fetches one file from several seeders at once. Each chunk is checked against the list that its own
 * sender gave: what differs bans it and costs that chunk. The list itself is only a claim, proven by
 * the SHA-256 of the whole; where lists differ, what all of them say is fetched first, so that a false
 * one costs no more than what it is false in.
 * @throws LendingError `lost` when nobody is left to ask; what was fetched stays in the sink
 */
export async function fetchWeights(
  init: FetchWeightsInit,
  components: FetchWeightsComponents,
): Promise<FetchedWeights> {
  const { sink, bans, log, clock, pace, hash = sha256 } = components
  const stop = new AbortController()
  const signal = init.signal ? AbortSignal.any([init.signal, stop.signal]) : stop.signal
  const groups = new Map<string, Group>()
  const from = new Map<string, number>()
  const banned: string[] = []
  const met = new Set<string>()
  let wake = Promise.withResolvers<void>()
  let meeting = init.addresses.length

  const changed = () => {
    wake.resolve()
    wake = Promise.withResolvers()
  }

  async function ban(device: string, why: string): Promise<void> {
    for (const { sources } of groups.values()) {
      for (const source of [...sources]) if (source.device === device) drop(source)
    }
    if (banned.includes(device)) return
    banned.push(device)
    log('weights.banned', { device, why })
    await bans.add(device, why)
  }

  function drop(source: WeightsSource): void {
    for (const { sources } of groups.values()) sources.delete(source)
    source.close().catch(() => {})
    changed()
  }

  async function meet(address: string): Promise<void> {
    try {
      const source = await components.connect(address, signal)
      const { device } = source
      // Two addresses of one device are one seeder.
      if (met.has(device) || (await bans.has(device))) return await source.close()
      met.add(device)
      const list = await source.list(init.sha256)
      const root = hash(list.hashes)
      const why = objection(init, list, root)
      if (why !== null) {
        await source.close()
        return await ban(device, why)
      }
      const key = listKey(list.sizeBytes, root)
      const group = groups.get(key) ?? { list, sources: new Set(), givers: new Set() }
      groups.set(key, group)
      group.sources.add(source)
      group.givers.add(device)
    } catch (error) {
      log('weights.unreachable', { address, error: String(error) })
    } finally {
      meeting--
      changed()
    }
  }

  function forget(group: Group): void {
    for (const [key, one] of groups) if (one === group) groups.delete(key)
  }

  /** The list that most seeders gave; null when nobody is left and nobody is still to come. */
  async function choose(): Promise<Group | null> {
    for (;;) {
      signal.throwIfAborted()
      const [most] = [...groups.values()]
        .filter(({ sources }) => sources.size > 0)
        .sort((a, b) => b.sources.size - a.sources.size)
      if (most !== undefined || meeting === 0) return most ?? null
      await orStopped(wake.promise)
    }
  }

  async function orStopped(work: Promise<unknown>): Promise<void> {
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      await Promise.race([work, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async function grace(): Promise<void> {
    const over = Promise.withResolvers<void>()
    const cancel = clock.after(init.graceMs ?? GRACE_MS, over.resolve)
    let isOver = false
    const ends = over.promise.then(() => {
      isOver = true
    })
    try {
      while (!isOver && meeting > 0) await orStopped(Promise.race([ends, wake.promise]))
    } finally {
      cancel()
    }
  }

  /** Chunks of a list that are not here, those first that no other list gainsays. */
  async function missingOf({ list }: Group): Promise<number[]> {
    const others = [...groups.values()].map((group) => group.list).filter((one) => one !== list)
    const [agreed, disputed]: [number[], number[]] = [[], []]
    for (let index = 0; index < list.hashes.length / 32; index++) {
      signal.throwIfAborted()
      const data = await sink.read(index)
      const isRight = data !== null && isListed(list, index, data, hash)
      sink.mark(index, isRight)
      if (isRight) continue
      const isAgreed = others.every((other) => equal(at(other, index), at(list, index)))
      if (isAgreed) agreed.push(index)
      else disputed.push(index)
    }
    return [...agreed, ...disputed]
  }

  /** Fetches what is missing of a list. @returns whether all of it is here */
  async function fill(group: Group): Promise<boolean> {
    const { list } = group
    const waiting = await missingOf(group)
    const asked = new Map<number, { times: number; atMs: number }>()
    const missing = new Set(waiting)
    const working = new Set<WeightsSource>()
    let here = list.sizeBytes - sum([...missing].map((index) => sizeOf(list, index)))
    let broken: { error: unknown } | null = null
    init.onBytes?.(here, list.sizeBytes)

    /** The next chunk for a seeder: at the end also what a much slower one is busy with, once more. */
    const next = (own: Line): number | undefined => {
      const fresh = waiting.shift()
      if (fresh !== undefined) return fresh
      const before = clock.now() - Math.max(SLOW_MS, 3 * own.lastMs)
      return [...missing].find((index) => {
        const { times = 0, atMs = 0 } = asked.get(index) ?? {}
        return times === 1 && atMs < before && !own.indexes.has(index)
      })
    }
    const release = (index: number) => {
      const one = asked.get(index)
      const times = (one?.times ?? 1) - 1
      asked.set(index, { times, atMs: one?.atMs ?? 0 })
      if (times === 0 && missing.has(index) && !waiting.includes(index)) waiting.unshift(index)
      changed()
    }
    const soon = async () => {
      const look = Promise.withResolvers<void>()
      const cancel = clock.after(LOOK_MS, look.resolve)
      await orStopped(Promise.race([wake.promise, look.promise])).finally(cancel)
    }

    /** One line of requests to one seeder; it has `CHUNKS_AHEAD` of them. */
    async function ask(source: WeightsSource, own: Line): Promise<void> {
      while (missing.size > 0 && broken === null && group.sources.has(source)) {
        const index = next(own)
        if (index === undefined) {
          await soon()
          continue
        }
        own.indexes.add(index)
        asked.set(index, { times: (asked.get(index)?.times ?? 0) + 1, atMs: clock.now() })
        try {
          await pace.take(sizeOf(list, index), { signal })
          const startedAtMs = clock.now()
          const data = await source.chunk(init.sha256, index)
          own.lastMs = clock.now() - startedAtMs
          if (!isListed(list, index, data, hash)) {
            return await ban(source.device, `its chunk ${index} is not what its own list says`)
          }
          if (!missing.has(index)) continue
          missing.delete(index)
          await keep(source, index, data)
        } catch (error) {
          signal.throwIfAborted()
          log('weights.lost', { device: source.device, error: String(error) })
          drop(source)
        } finally {
          own.indexes.delete(index)
          release(index)
        }
      }
    }

    async function keep(source: WeightsSource, index: number, data: Uint8Array): Promise<void> {
      try {
        await sink.write(index, data)
      } catch (error) {
        // This device's own disk: no seeder's fault, and nothing more is asked for.
        broken = { error }
        return
      }
      here += data.length
      from.set(source.device, (from.get(source.device) ?? 0) + data.length)
      init.onBytes?.(here, list.sizeBytes)
    }

    async function work(source: WeightsSource): Promise<void> {
      const own: Line = { indexes: new Set(), lastMs: 0 }
      await Promise.all(Array.from({ length: CHUNKS_AHEAD }, () => ask(source, own)))
    }

    const works: Promise<void>[] = []
    while (missing.size > 0 && broken === null) {
      signal.throwIfAborted()
      for (const source of group.sources) {
        if (working.has(source)) continue
        working.add(source)
        const one = work(source)
        one.catch(() => {})
        works.push(one)
      }
      if (group.sources.size === 0) break
      await orStopped(wake.promise)
    }
    changed()
    if (broken !== null) throw (broken as { error: unknown }).error
    return missing.size === 0
  }

  try {
    const meetings = init.addresses.map(meet)
    for (const one of meetings) one.catch(() => {})
    if ((await choose()) !== null) await grace()
    for (let group = await choose(); group !== null; group = await choose()) {
      try {
        await sink.begin(group.list.sizeBytes)
      } catch (error) {
        // A size that somebody made up is no reason to give up what others say.
        if (groups.size === 1) throw error
        forget(group)
        continue
      }
      if (!(await fill(group))) continue
      if (await sink.verify()) {
        forget(group)
        for (const device of giversOf(groups)) await ban(device, FALSE_LIST)
        return { sizeBytes: group.list.sizeBytes, from, banned }
      }
      if (init.chunkRoot !== null) {
        throw new LendingError('model', { what: 'the manifest of this model contradicts itself' })
      }
      // Each chunk is what the list says, and the whole is not: so the list is false.
      log('weights.false-list', { sha256: toHex(init.sha256) })
      forget(group)
      for (const device of group.givers) await ban(device, FALSE_LIST)
      for (const source of group.sources) drop(source)
    }
    throw new LendingError('lost', {
      what: 'no peer that was asked can hand over this model',
      why: banned.length > 0 ? `${banned.length} sent what is not it` : undefined,
    })
  } finally {
    stop.abort(new LendingError('cancelled', { what: 'the pull ended' }))
  }
}

const FALSE_LIST = 'its list of chunks is false'

function giversOf(groups: ReadonlyMap<string, Group>): string[] {
  return [...groups.values()].flatMap(({ givers }) => [...givers])
}

/** What is wrong with a list, by what is known beforehand; null: nothing. */
function objection(
  { chunkRoot, sizeBytes }: Pick<FetchWeightsInit, 'chunkRoot' | 'sizeBytes'>,
  list: ChunkList,
  root: Uint8Array,
): string | null {
  if (chunkRoot !== null && !equal(root, chunkRoot)) return 'its list is not the manifest’s'
  if (sizeBytes !== null && sizeBytes !== list.sizeBytes) return 'it gives the file another size'
  return null
}

function at({ hashes }: ChunkList, index: number): Uint8Array {
  return hashes.subarray(32 * index, 32 * (index + 1))
}

function sizeOf({ sizeBytes }: ChunkList, index: number): number {
  return Math.min(CHUNK_BYTES, sizeBytes - index * CHUNK_BYTES)
}

function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0)
}
