import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ModelError } from '@freehold/core/errors'
import { createInTurn } from '@freehold/core/in-turn'
import {
  bytesDone,
  cutIntoPieces,
  type DownloadStateInit,
  type Piece,
  readPieces,
  writePieces,
} from './download-state.ts'
import { broken, RetryError, request } from './http-errors.ts'
import { requireSpace } from './require-space.ts'
import { type RetryComponents, realWait, withRetries } from './retry.ts'

export interface DownloadInit extends DownloadStateInit {
  url: URL
  headers: Record<string, string>
  /** The file that grows; what is done of it is noted in `path + '.json'`. */
  path: string
  /** Requests at once. @default 4 */
  connections?: number | undefined
  /** A request without a byte for so long is made anew. @default 30 s */
  stallMs?: number | undefined
  /** Called with how many bytes of the file are here; it never falls. */
  onBytes?: ((bytes: number) => void) | undefined
  onWait?: ((why: string, ms: number) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface DownloadComponents extends RetryComponents {
  open(path: string, flags: string): Promise<Pick<FileHandle, 'write' | 'datasync' | 'close'>>
}

const REAL: DownloadComponents = { ...realWait, open }
const DEFAULTS = { connections: 4, stallMs: 30_000 }
const ATTEMPTS = 8
/** A crash of the machine loses at most so much that was fetched. */
const NOTE_BYTES = 32 * 1024 * 1024
/** Left to others on the same disk. */

/** Thrown inside when a host sends whole files only. */
class NoRanges extends Error {}

/**
 * Fetches a file in parts, several at once, going on where an earlier call was stopped.
 * @throws ModelError when the host refuses, has another file or says nothing more; the file
 * system's error; the signal's reason. What was fetched is kept in all of these cases.
 */
export async function download(
  init: DownloadInit,
  components: Partial<DownloadComponents> = {},
): Promise<void> {
  const { path } = init
  const { wait = REAL.wait, open = REAL.open } = components
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const isThere = (await stat(path).catch(() => undefined))?.size !== undefined
  const left = isThere ? await readPieces(noteOf(path), init) : null
  if (left === null) await removePart(path)
  const pieces = left ?? cutIntoPieces(init)
  await requireSpace(path, init.sizeBytes - bytesDone(pieces), 'fetched')
  const { connections } = { ...DEFAULTS, ...defined(init) }
  try {
    await fetchPieces(pieces, connections, init, { wait, open })
  } catch (error) {
    if (!(error instanceof NoRanges)) throw error
    await removePart(path)
    const whole = { from: 0, at: 0, to: init.sizeBytes }
    await fetchPieces([whole], 1, init, { wait, open })
  }
}

/** Removes what was fetched of a file. */
export async function removePart(path: string): Promise<void> {
  await rm(path, { force: true })
  await rm(noteOf(path), { force: true })
}

function noteOf(path: string): string {
  return `${path}.json`
}

async function fetchPieces(
  pieces: Piece[],
  connections: number,
  init: DownloadInit,
  components: DownloadComponents,
): Promise<void> {
  const isThere = (await stat(init.path).catch(() => undefined)) !== undefined
  const file = await components.open(init.path, isThere ? 'r+' : 'w+')
  const stop = new AbortController()
  const signal = init.signal ? AbortSignal.any([init.signal, stop.signal]) : stop.signal
  const inTurn = createInTurn()
  let noted = bytesDone(pieces)
  let shown = 0

  /** What is noted as done is on the disk before. */
  const note = () =>
    inTurn(async () => {
      const now = pieces.map((piece) => ({ ...piece }))
      await file.datasync()
      await writePieces(noteOf(init.path), init, now)
    })
  const onChunk = async () => {
    const done = bytesDone(pieces)
    if (done > shown) init.onBytes?.(done)
    shown = Math.max(shown, done)
    if (done - noted < NOTE_BYTES) return
    noted = done
    await note()
  }
  const work = async () => {
    for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
      const mine = piece
      let furthest = piece.at
      await withRetries(
        (gotOn) => {
          const onBytes = async ({ at }: Piece) => {
            if (at > furthest) gotOn()
            furthest = Math.max(furthest, at)
            await onChunk()
          }
          return fetchPiece(mine, file, { ...init, signal }, onBytes)
        },
        { attempts: ATTEMPTS, onWait: init.onWait, signal },
        components,
      )
    }
  }

  const waiting = pieces.filter(({ at, to }) => at < to)
  const failures: unknown[] = []
  await onChunk()
  try {
    const workers = Array.from({ length: Math.min(connections, waiting.length) }, work)
    // The first that fails for good stops the others, and is what is told.
    const stopped = workers.map((worker) =>
      worker.catch((error) => {
        failures.push(error)
        stop.abort(error)
      }),
    )
    await Promise.all(stopped)
    if (failures.length > 0) throw failures[0]
    await note()
  } catch (error) {
    await note().catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

/** Fetches what is missing of one piece with one request. */
async function fetchPiece(
  piece: Piece,
  file: Pick<FileHandle, 'write'>,
  init: DownloadInit,
  onBytes: (piece: Piece) => Promise<void>,
): Promise<void> {
  const { sizeBytes, etag, url } = init
  const { stallMs } = { ...DEFAULTS, ...defined(init) }
  const stalled = new AbortController()
  const timer = setTimeout(() => stalled.abort(), stallMs)
  const isWholeFile = piece.from === 0 && piece.to === sizeBytes
  try {
    const headers: Record<string, string> = { ...init.headers }
    if (!isWholeFile || piece.at > 0) {
      headers.range = `bytes=${piece.at}-${piece.to - 1}`
      if (etag !== null && !etag.startsWith('W/')) headers['if-range'] = etag
    }
    const signal = init.signal ? AbortSignal.any([init.signal, stalled.signal]) : stalled.signal
    const response = await request(url, { headers, signal })
    if (response.status === 206) requireRange(response, piece, init)
    else {
      const isOther = etag !== null && response.headers.get('etag') !== etag
      if (isOther || !isWholeFile) await response.body?.cancel()
      if (isOther) throw changed(url)
      if (!isWholeFile) throw new NoRanges()
      // It begins anew each time.
      piece.at = 0
    }
    for await (const chunk of response.body ?? []) {
      timer.refresh()
      const bytes = chunk.subarray(0, piece.to - piece.at)
      for (let from = 0; from < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, from, bytes.length - from, piece.at)
        from += bytesWritten
        piece.at += bytesWritten
      }
      await onBytes(piece)
      if (bytes.length < chunk.length) break
    }
  } catch (error) {
    init.signal?.throwIfAborted()
    if (stalled.signal.aborted) throw new RetryError(`${url.host} sent nothing for a while`, null)
    // What fetch throws when a connection breaks.
    if (!(error instanceof TypeError)) throw error
    throw broken(url, error)
  } finally {
    clearTimeout(timer)
  }
  if (piece.at < piece.to) throw new RetryError(`${url.host} ended before its time`, null)
}

/** What comes must be what was asked for, of the file that it was. */
function requireRange(response: Response, piece: Piece, { sizeBytes, url }: DownloadInit): void {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '')
  const total = range?.[2] === '*' ? sizeBytes : Number(range?.[2])
  if (range !== null && Number(range[1]) === piece.at && total === sizeBytes) return
  throw changed(url)
}

function changed(url: URL): ModelError {
  return new ModelError({
    what: `the file at ${url.host} is another one now`,
    why: 'it changed since its download began',
    next: 'Start it again: it begins anew',
  })
}

function defined({ connections, stallMs }: DownloadInit) {
  return {
    ...(connections === undefined ? {} : { connections }),
    ...(stallMs === undefined ? {} : { stallMs }),
  }
}
