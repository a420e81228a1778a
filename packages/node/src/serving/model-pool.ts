import { orAborted } from '@freehold/core/abort'
import { isAlive } from '@freehold/core/device/model-shelf'
import { EngineError } from '@freehold/core/errors'
import type { Clock } from '@freehold/core/platform'
import { BusyError, UnsupportedError } from './errors.ts'
import { createFairQueue, type FairQueue } from './fair-queue.ts'
import type { ManagedModel } from './model-manager.ts'
import type { LoadServed, LoadServedInit, ServedModel } from './served-model.ts'

export interface ModelPoolInit {
  /** Most models in memory at once. @default 3 */
  maxModels?: number | undefined
  /** Most bytes that models take in memory at once; one may always be there. @default no limit */
  memoryBytes?: number | undefined
  /** Texts that one model generates at once. @default 4 */
  parallel?: number | undefined
  /** Requests that may wait for one model. @default 64 */
  maxWaiting?: number | undefined
  /** How long an idle model stays. @default 5 minutes */
  keepAliveMs?: number | undefined
  /** Tokens of context for each text, where a request names none. */
  contextTokens?: number | undefined
}

export interface PoolComponents {
  load: LoadServed
  /** Bytes that a model takes once it is loaded so. @default the size of its files */
  needs?: ((model: ManagedModel, init: NeedsInit) => Promise<number>) | undefined
  clock: Clock
}

/** `contextTokens` and `parallel` of what would be loaded. */
export type NeedsInit = Omit<LoadServedInit, 'signal'>

export interface LeaseInit {
  /** Whose turn it is: requests of one client wait behind each other. */
  client: string
  /** At least so much context. */
  contextTokens?: number | undefined
  /** How long the model stays afterwards; Infinity: for good, 0: not at all. */
  keepAliveMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** The right to generate one text with a model; the model stays in memory until it is disposed of. */
export interface Lease extends AsyncDisposable {
  readonly served: ServedModel
  /** How long this request waited for the model to be loaded. */
  readonly loadMs: number
}

/** What `ps` shows of a model. */
export interface PoolRow {
  name: string
  state: 'loading' | 'ready' | 'stopping'
  modelId: string | null
  sizeBytes: number
  contextTokens: number | null
  /** `100% CPU`, or `100% GPU`. */
  processor: string
  running: number
  waiting: number
  /** Milliseconds since 1970; null: stays for good, or is in use. */
  expiresAtMs: number | null
}

/** The models that this process holds in memory: loaded when asked for, gone when idle. */
export interface ModelPool extends AsyncDisposable {
  /**
   * Waits for a place at a model, loading it if need be.
   * @throws BusyError when too many wait, or nothing idle can make room; ModelError; EngineError
   */
  take(model: ManagedModel, init: LeaseInit): Promise<Lease>
  /** Unloads a model once its running answers are done. @returns whether it was there */
  unload(model: ManagedModel): boolean
  /** In the order of loading. */
  rows(): PoolRow[]
}

const FIVE_MINUTES_MS = 5 * 60_000

interface Entry {
  model: ManagedModel
  contextTokens: number | undefined
  /** Of main memory. */
  needBytes: number
  loading: Promise<ServedModel>
  /** Once it is loaded. */
  served: ServedModel | null
  queue: FairQueue
  /** Requests that are served or wait. */
  users: number
  usedAtMs: number
  keepAliveMs: number
  expiresAtMs: number | null
  cancelTimer: () => void
  isStopping: boolean
  cancelLoading: AbortController
}

export function createModelPool(init: ModelPoolInit, components: PoolComponents): ModelPool {
  const { load, clock, needs = async (model) => model.sizeBytes } = components
  const { maxModels = 3, memoryBytes = Infinity, parallel = 4, maxWaiting = 64 } = init
  const entries = new Map<string, Entry>()
  /** What is being unloaded: its memory is not free yet. */
  const leaving = new Set<Promise<void>>()
  let isClosed = false

  function requireOpen(): void {
    if (isClosed) throw new EngineError({ what: 'the device is closing' })
  }

  function drop(entry: Entry): void {
    entry.cancelTimer()
    if (entries.get(keyOf(entry.model)) === entry) entries.delete(keyOf(entry.model))
    entry.cancelLoading.abort(new EngineError({ what: `${entry.model.name} was unloaded` }))
    const gone = entry.loading
      .then((served) => served[Symbol.asyncDispose]())
      .catch(() => {})
      .finally(() => leaving.delete(gone))
    leaving.add(gone)
  }

  /** Unloads idle models, the longest unused first, until another one fits. @throws BusyError */
  function makeRoom(needBytes: number): void {
    const isRoom = () => {
      const used = [...entries.values()].reduce((sum, entry) => sum + entry.needBytes, 0)
      return entries.size === 0 || (entries.size < maxModels && used + needBytes <= memoryBytes)
    }
    while (!isRoom()) {
      const [oldest] = [...entries.values()]
        .filter(({ users }) => users === 0)
        .sort((a, b) => a.usedAtMs - b.usedAtMs)
      if (oldest === undefined) {
        throw new BusyError(5, {
          what: 'there is no room for another model now',
          why: `${[...entries.values()].map(({ model }) => model.name).join(', ')} in use`,
          next: 'Ask again later',
        })
      }
      drop(oldest)
    }
  }

  function start(model: ManagedModel, contextTokens: number | undefined, needBytes: number): Entry {
    makeRoom(needBytes)
    const cancelLoading = new AbortController()
    const { signal } = cancelLoading
    const loading = Promise.all(leaving).then(() => {
      signal.throwIfAborted()
      return load(model.source, { contextTokens, parallel, signal })
    })
    const entry: Entry = {
      model,
      contextTokens,
      needBytes,
      loading,
      served: null,
      queue: createFairQueue({ places: parallel, maxWaiting, now: () => clock.now() }),
      users: 0,
      usedAtMs: clock.now(),
      keepAliveMs: init.keepAliveMs ?? FIVE_MINUTES_MS,
      expiresAtMs: null,
      cancelTimer: () => {},
      isStopping: false,
      cancelLoading,
    }
    entries.set(keyOf(model), entry)
    loading.then(
      (served) => {
        entry.served = served
        // What a GPU of its own holds takes no main memory; how much that is, only loading tells.
        entry.needBytes = Math.max(0, needBytes - served.gpuBytes)
      },
      () => drop(entry),
    )
    return entry
  }

  /** A model whose process died is loaded anew. */
  async function forgetDead(model: ManagedModel): Promise<void> {
    const entry = entries.get(keyOf(model))
    if (!entry?.served || (await isAlive(entry.loading))) return
    if (entries.get(keyOf(model)) === entry) drop(entry)
  }

  /** The entry of a model, with enough context. */
  function entryOf(model: ManagedModel, asked: number | undefined, needBytes: number): Entry {
    const entry = entries.get(keyOf(model))
    if (entry === undefined) return start(model, asked ?? init.contextTokens, needBytes)
    if (isEnough(entry, asked)) return entry
    if (entry.users > 0) {
      throw new BusyError(5, {
        what: entry.isStopping
          ? `${model.name} is being unloaded`
          : `${model.name} is in use with a context of ${contextOf(entry)} tokens`,
        next: 'Ask again when it is idle',
      })
    }
    drop(entry)
    return start(model, asked ?? init.contextTokens, needBytes)
  }

  function rest(entry: Entry): void {
    entry.users--
    entry.usedAtMs = clock.now()
    if (entry.users > 0 || entries.get(keyOf(entry.model)) !== entry) return
    if (entry.isStopping || entry.keepAliveMs <= 0) {
      drop(entry)
      return
    }
    if (entry.keepAliveMs === Infinity) return
    entry.expiresAtMs = clock.now() + entry.keepAliveMs
    entry.cancelTimer = clock.after(entry.keepAliveMs, () => drop(entry))
  }

  return {
    async take(model, lease) {
      const { signal, client } = lease
      signal?.throwIfAborted()
      requireOpen()
      const startedMs = clock.now()
      await forgetDead(model)
      const contextTokens = lease.contextTokens ?? init.contextTokens
      const known = entries.get(keyOf(model))
      let needBytes = known?.needBytes ?? 0
      if (known === undefined || !isEnough(known, lease.contextTokens)) {
        needBytes = await needs(model, { contextTokens, parallel })
        signal?.throwIfAborted()
        requireOpen()
      }
      const entry = entryOf(model, lease.contextTokens, needBytes)
      entry.cancelTimer()
      entry.expiresAtMs = null
      entry.users++
      let give: (() => void) | undefined
      try {
        const isLoaded = entry.served !== null
        give = await entry.queue.take(client, signal)
        const served = await orAborted(entry.loading, signal)
        requireContext(model, served, lease.contextTokens)
        entry.keepAliveMs = lease.keepAliveMs ?? init.keepAliveMs ?? FIVE_MINUTES_MS
        let isHeld = true
        return {
          served,
          loadMs: isLoaded ? 0 : clock.now() - startedMs,
          [Symbol.asyncDispose]: async () => {
            if (!isHeld) return
            isHeld = false
            give?.()
            rest(entry)
          },
        }
      } catch (error) {
        give?.()
        rest(entry)
        throw error
      }
    },
    unload(model) {
      const entry = entries.get(keyOf(model))
      if (entry === undefined) return false
      entry.isStopping = true
      if (entry.users === 0) drop(entry)
      return true
    },
    rows: () => [...entries.values()].map(rowOf),
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const entry of entries.values()) drop(entry)
      await Promise.all(leaving)
    },
  }
}

/** Tokens of each text, as far as is known. */
function contextOf({ served, contextTokens }: Entry): number {
  return served?.model.info.contextTokens ?? contextTokens ?? Infinity
}

/** Whether the model as it is loaded serves such a request. */
function isEnough(entry: Entry, asked: number | undefined): boolean {
  if (entry.isStopping) return false
  return asked === undefined || asked <= contextOf(entry) || entry.contextTokens === asked
}

/** A context that was asked for is given, or refused. */
function requireContext(model: ManagedModel, { model: { info } }: ServedModel, asked = 0): void {
  if (asked <= info.contextTokens) return
  throw new UnsupportedError('num_ctx', {
    what: `${model.name} cannot have a context of ${asked} tokens`,
    why: `it was made for ${info.contextTokens}`,
  })
}

function rowOf(entry: Entry): PoolRow {
  const info = entry.served?.model.info
  const state = entry.isStopping ? 'stopping' : info === undefined ? 'loading' : 'ready'
  const isCpu = info === undefined || info.profile.backend === 'cpu'
  return {
    name: entry.model.name,
    state,
    modelId: info?.modelId ?? null,
    sizeBytes: entry.model.sizeBytes,
    contextTokens: info?.contextTokens ?? null,
    processor: isCpu ? '100% CPU' : '100% GPU',
    running: entry.queue.running,
    waiting: entry.queue.waiting,
    expiresAtMs: entry.expiresAtMs,
  }
}

/** Names and paths that mean one file share what is loaded. */
function keyOf({ place, source }: ManagedModel): string {
  return place ?? source
}
