import { FreeholdError, ModelError } from '@freehold/core/errors'
import type { Storage } from '@freehold/core/storage'
import { type ReadonlySignal, signal } from '@preact/signals'
import { say } from '../words/words.ts'
import { fetchInto } from './fetch-into.ts'
import { judgeSize } from './judge-model.ts'
import { makeRoom } from './make-room.ts'
import { digestAtHub, originsOf, readModelAddress } from './model-address.ts'
import { createModelFolder } from './model-folder.ts'
import type { ModelSpace } from './model-space.ts'

/** One page of this browser fetches at a time. */
const LOCK = 'freehold-download'
const SHOWN_EVERY_MS = 200

/** What is kept of a download until it is done or called off. */
interface DownloadRow {
  url: string
  name: string
  sha256: string | null
  /** null: not known yet. */
  sizeBytes: number | null
  /** Whether it goes on by itself when the app is opened. */
  isWanted: boolean
  /** The person knows that it may be too large for this device. */
  isSure: boolean
}

export interface Download {
  url: string
  name: string
  sizeBytes: number | null
  doneBytes: number
  state: 'waiting' | 'running' | 'checking' | 'stopped'
  /** Why it stopped; empty: it did not, or the person wanted it. */
  problem: string
  /** What the person should know before it goes on. */
  warning: string | null
}

/** Models on their way from addresses that the person gave. */
export interface Downloads {
  readonly all: ReadonlySignal<readonly Download[]>
  /** What the page must be allowed to connect to for them. */
  origins(): string[]
  /** Notes what is wanted. Nobody is asked for it yet. @throws UsageError in words for the person */
  want(address: string, digest: string): Promise<void>
  /** Fetches what is wanted, one after the other; resolves when nothing is left to do. */
  go(): Promise<void>
  /** Goes on with one that stopped. @param isSure after a warning */
  resume(url: string, isSure?: boolean): Promise<void>
  /** Stops; what came is kept. */
  pause(url: string): Promise<void>
  /** Stops and forgets it, with what came. */
  cancel(url: string): Promise<void>
}

export async function openDownloads(
  storage: Storage,
  space: () => Pick<ModelSpace, 'takeIn'>,
): Promise<Downloads> {
  const table = storage.table<DownloadRow>('downloads')
  const folder = createModelFolder()
  const all = signal<readonly Download[]>([])
  let rows = new Map(await table.list())
  let isGoing = false
  let running: { url: string; stop: AbortController; ended: Promise<void> } | null = null

  async function shown(row: DownloadRow): Promise<Download> {
    const { url, name, sizeBytes, sha256, isWanted } = row
    const part = sha256 === null ? null : await folder.part(sha256)
    const state = isWanted ? 'waiting' : 'stopped'
    const old = all.value.find((one) => one.url === url)
    if (old !== undefined && running?.url === url) return old
    const { problem = '', warning = null } = old ?? {}
    return { url, name, sizeBytes, doneBytes: part?.size ?? 0, state, problem, warning }
  }
  const show = (url: string, change: Partial<Download>) => {
    all.value = all.value.map((one) => (one.url === url ? { ...one, ...change } : one))
  }
  async function note(url: string, change: Partial<DownloadRow>): Promise<DownloadRow | undefined> {
    const row = await table.update(url, (old) => old && { ...old, ...change })
    if (row === undefined) rows.delete(url)
    else rows.set(url, row)
    return row
  }
  async function look(): Promise<void> {
    rows = new Map(await table.list())
    all.value = await Promise.all([...rows.values()].map(shown))
  }

  async function run(row: DownloadRow, signal: AbortSignal): Promise<void> {
    const { url, name, isSure } = row
    show(url, { state: 'running', problem: '', warning: null })
    const sha256 = row.sha256 ?? (await digestAtHub(url, { signal }).catch(() => null))
    if (sha256 === null) throw new Error(say('digestUnknown'))
    await note(url, { sha256 })
    if ((await folder.open(sha256)) === null) {
      let shownAt = 0
      await fetchInto(folder, {
        ...{ url, name, sha256, signal },
        onSize: async (sizeBytes, hereBytes) => {
          const { refusal, warning } = judgeSize(sizeBytes)
          if (refusal !== null) throw new Error(refusal)
          if (warning !== null && !isSure) throw new Warned(warning)
          await makeRoom(sizeBytes - hereBytes)
          show(url, { sizeBytes, doneBytes: hereBytes })
          await note(url, { sizeBytes })
        },
        onProgress: (doneBytes) => {
          if (performance.now() - shownAt < SHOWN_EVERY_MS) return
          shownAt = performance.now()
          show(url, { doneBytes })
        },
        onWhole: () => show(url, { state: 'checking' }),
      })
    }
    await space().takeIn(sha256, name)
    await table.update(url, () => undefined)
    await look()
  }

  async function runOne(row: DownloadRow): Promise<void> {
    const { url } = row
    const stop = new AbortController()
    const ended = Promise.withResolvers<void>()
    running = { url, stop, ended: ended.promise }
    try {
      await run(row, stop.signal)
    } catch (error) {
      if (await note(url, { isWanted: false })) await look()
      const isStopped = stop.signal.aborted || error instanceof Warned
      const warning = error instanceof Warned ? error.message : null
      show(url, { state: 'stopped', warning, problem: isStopped ? '' : wordsOf(error) })
    } finally {
      running = null
      ended.resolve()
    }
  }

  async function go(): Promise<void> {
    if (isGoing) return
    isGoing = true
    try {
      await look()
      if (firstWanted() === undefined) return
      await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
        if (lock === null) {
          const problem = say('downloadElsewhere')
          for (const { url, isWanted } of rows.values()) if (isWanted) show(url, { problem })
          return
        }
        for (let next = firstWanted(); next !== undefined; next = firstWanted()) await runOne(next)
      })
    } finally {
      isGoing = false
    }
  }
  const firstWanted = () => [...rows.values()].find(({ isWanted }) => isWanted)

  async function halt(url: string): Promise<void> {
    await note(url, { isWanted: false })
    if (running?.url !== url) return
    running.stop.abort()
    await running.ended
  }

  await look()
  return {
    all,
    origins: () => [...new Set([...rows.values()].flatMap(({ url }) => originsOf(url)))].sort(),
    want: async (text, digest) => {
      const address = readModelAddress(text, digest)
      const row = { ...address, sizeBytes: null, isWanted: true, isSure: false }
      await table.put(row.url, row)
      await look()
    },
    go,
    resume: async (url, isSure) => {
      await note(url, { isWanted: true, ...(isSure && { isSure }) })
      await go()
    },
    pause: async (url) => {
      await halt(url)
      await look()
    },
    cancel: async (url) => {
      await halt(url)
      const sha256 = rows.get(url)?.sha256
      if (sha256) await folder.removePart(sha256)
      await table.update(url, () => undefined)
      await look()
    },
  }
}

/** Asked before it goes on. */
class Warned extends Error {}

function wordsOf(error: unknown): string {
  if (error instanceof ModelError) return error.message
  if (error instanceof FreeholdError) return error.what
  // What a browser says of any host that it cannot ask, or may not read.
  if (error instanceof TypeError) return say('downloadNoHost')
  return error instanceof Error ? error.message : String(error)
}
