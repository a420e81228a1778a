import { hashBlob } from '../engine/read-model.ts'
import { say } from '../words/words.ts'
import { isGguf } from './judge-model.ts'
import { BARE } from './model-address.ts'
import { type ModelFolder, noRoom, otherBytes } from './model-folder.ts'
import type { PartFile } from './part-file.ts'

/** Nothing comes for so long: the connection is taken for dead. */
const STALL_MS = 30_000
/** How often it is tried again without a single byte in between. */
const TRIES = 4
const FIRST_WAIT_MS = 500

export interface FetchIntoInit {
  url: string
  name: string
  sha256: string
  signal: AbortSignal
  /** Told before the first byte is kept. @throws what ends it */
  onSize: (sizeBytes: number, hereBytes: number) => Promise<void>
  onProgress: (doneBytes: number) => void
  /** All bytes are here; they are compared now. */
  onWhole: () => void
}

/** Trying again would not help. */
class Final extends Error {}

/**
 * Fetches a model into its part file, from where an earlier page came to, and keeps it whole or not at
 * all: a wrong one is removed, a broken one waits for its rest.
 * @throws ModelError when the bytes are others than promised, or there is no room; the signal's reason
 */
export async function fetchInto(folder: ModelFolder, init: FetchIntoInit): Promise<void> {
  const { url, sha256, signal, onWhole } = init
  let doneBytes = 0
  try {
    await using part = await folder.openPart(sha256)
    await fetchAll(part, init).finally(() => {
      doneBytes = part.sizeBytes
    })
  } catch (error) {
    if (doneBytes === 0) await folder.removePart(sha256)
    if (error instanceof DOMException && error.name === 'QuotaExceededError') throw noRoom(error)
    throw error
  }
  onWhole()
  const blob = await folder.part(sha256)
  if (blob === null || (await hashBlob(blob, signal)) !== sha256) {
    await folder.removePart(sha256)
    throw otherBytes(url)
  }
  await folder.keepPart(sha256)
}

async function fetchAll(part: PartFile, init: FetchIntoInit): Promise<void> {
  const { signal } = init
  let waitMs = FIRST_WAIT_MS
  for (let left = TRIES; ; ) {
    const before = part.sizeBytes
    try {
      return await fetchRest(part, init)
    } catch (error) {
      signal.throwIfAborted()
      if (part.sizeBytes > before) {
        left = TRIES
        waitMs = FIRST_WAIT_MS
      }
      left--
      const isNetwork = error instanceof TypeError || error instanceof Cut
      if (!isNetwork || left === 0) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    signal.throwIfAborted()
    waitMs *= 2
  }
}

/** The connection ended before the file did. */
class Cut extends Error {}

async function fetchRest(part: PartFile, init: FetchIntoInit): Promise<void> {
  const { url, name, signal, onSize, onProgress } = init
  const stalled = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const alive = () => {
    clearTimeout(timer)
    timer = setTimeout(() => stalled.abort(new Cut(say('downloadStalled'))), STALL_MS)
  }
  try {
    alive()
    const from = part.sizeBytes
    const response = await ask(url, from, AbortSignal.any([signal, stalled.signal]))
    // All of it was here.
    if (response.status === 416 && from > 0) return
    if (!response.ok || response.body === null) {
      throw new Final(say('downloadStatus', { status: response.status }))
    }
    if (response.status !== 206 && from > 0) await part.clear()
    const length = Number(response.headers.get('content-length') ?? Number.NaN)
    if (!Number.isSafeInteger(length)) throw new Final(say('downloadNoSize'))
    const sizeBytes = part.sizeBytes + length
    await onSize(sizeBytes, part.sizeBytes)
    for await (const bytes of response.body) {
      alive()
      if (part.sizeBytes === 0 && !isGguf(bytes)) throw new Final(say('noGguf', { name }))
      await part.write(bytes)
      onProgress(part.sizeBytes)
    }
    if (part.sizeBytes < sizeBytes) throw new Cut(say('downloadCut'))
  } catch (error) {
    if (stalled.signal.aborted) throw stalled.signal.reason
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** @throws Final when the page's own policy forbids it: then no trying helps */
async function ask(url: string, from: number, signal: AbortSignal): Promise<Response> {
  let isForbidden = false
  const note = ({ effectiveDirective }: SecurityPolicyViolationEvent) => {
    isForbidden ||= effectiveDirective === 'connect-src'
  }
  document.addEventListener('securitypolicyviolation', note)
  try {
    const headers = from > 0 ? { range: `bytes=${from}-` } : undefined
    return await fetch(url, { ...BARE, cache: 'no-store', signal, ...(headers && { headers }) })
  } catch (error) {
    // The event of a refusal comes in a task of its own.
    await new Promise((resolve) => setTimeout(resolve))
    if (isForbidden) throw new Final(say('downloadRedirects', { host: new URL(url).host }))
    throw error
  } finally {
    document.removeEventListener('securitypolicyviolation', note)
  }
}
