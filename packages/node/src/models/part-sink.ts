import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { equal } from '@freehold/core/bytes'
import type { WeightsSink } from '@freehold/core/device/weights-fetch'
import { createInTurn } from '@freehold/core/in-turn'
import { CHUNK_BYTES } from '@freehold/core/wire/manifest'
import { cutIntoPieces, type Piece, readPieces, writePieces } from './download-state.ts'
import { type FileHashes, hashPieces } from './read-model-file.ts'
import { requireSpace } from './require-space.ts'

/** How often it is noted what is here. A fetch from peers looks at all that lies there; one from a host goes by the note. */
const NOTE_CHUNKS = 32

export interface PartSinkInit {
  path: string
  sha256: Uint8Array
  onVerify?: ((sizeBytes: number) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface PartSink extends WeightsSink, AsyncDisposable {
  /** What the file is, once it was verified. */
  hashes(): FileHashes | null
}

/**
 * Gathers chunks in the same part file, with the same note beside it, as a download over HTTP does:
 * either goes on where the other was stopped. What an earlier fetch left is hashed again before it counts.
 */
export function openPartSink({ path, sha256, onVerify, signal }: PartSinkInit): PartSink {
  const inTurn = createInTurn()
  let file: FileHandle | null = null
  let sizeBytes = 0
  let done: boolean[] = []
  let isResumed = false
  let unnoted = 0
  let verified: FileHashes | null = null

  const boundsOf = (index: number): [from: number, to: number] => [
    index * CHUNK_BYTES,
    Math.min(sizeBytes, (index + 1) * CHUNK_BYTES),
  ]

  /** What is noted as done is on the disk before. */
  const note = () =>
    inTurn(async () => {
      const now = piecesOf(done, boundsOf)
      unnoted = 0
      await file?.datasync()
      await writePieces(`${path}.json`, { sizeBytes, etag: null }, now)
    })

  async function begin(size: number): Promise<void> {
    if (file !== null && size === sizeBytes) return
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const found = await stat(path).catch(() => undefined)
    const state = { sizeBytes: size, etag: null }
    const pieces = found ? await readPieces(`${path}.json`, state) : null
    const known = pieces ?? cutIntoPieces(state)
    const missing = known.reduce((sum, { at, to }) => sum + to - at, 0)
    await requireSpace(path, missing, 'fetched')
    await file?.close()
    file = await open(path, pieces === null ? 'w+' : 'r+')
    sizeBytes = size
    const isHere = (from: number, to: number) =>
      pieces !== null && coveredBytes(pieces, from, to) === to - from
    isResumed = pieces !== null
    done = Array.from({ length: Math.ceil(size / CHUNK_BYTES) }, (_, i) => isHere(...boundsOf(i)))
    if (!isResumed) await note()
  }

  return {
    begin,
    hashes: () => verified,
    read: async (index) => {
      if (file === null || !(isResumed || done[index])) return null
      const [from, to] = boundsOf(index)
      const data = Buffer.alloc(to - from)
      const { bytesRead } = await file.read(data, 0, data.length, from)
      return bytesRead === data.length ? data : null
    },
    mark: (index, isRight) => {
      done[index] = isRight
    },
    write: async (index, data) => {
      const [from] = boundsOf(index)
      for (let at = 0; at < data.length; ) {
        const left = data.length - at
        at += (await file?.write(data, at, left, from + at))?.bytesWritten ?? left
      }
      done[index] = true
      unnoted++
      if (unnoted >= NOTE_CHUNKS) await note()
    },
    verify: async () => {
      await note()
      onVerify?.(sizeBytes)
      verified = await hashPieces(path, { signal })
      return equal(verified.sha256, sha256)
    },
    [Symbol.asyncDispose]: async () => {
      if (file === null) return
      await note().catch(() => {})
      await file.close()
    },
  }
}

/** How many bytes between two places are here. */
function coveredBytes(pieces: readonly Piece[], from: number, to: number): number {
  return pieces.reduce(
    (sum, piece) => sum + Math.max(0, Math.min(to, piece.at) - Math.max(from, piece.from)),
    0,
  )
}

/** Stretches of chunks that are here, each with what is missing behind it. */
function piecesOf(
  done: readonly boolean[],
  boundsOf: (index: number) => [from: number, to: number],
): Piece[] {
  const pieces: Piece[] = []
  for (const [index, isDone] of done.entries()) {
    const [from, to] = boundsOf(index)
    const last = pieces.at(-1)
    if (last === undefined || (isDone && last.at < last.to)) {
      pieces.push({ from, at: isDone ? to : from, to })
    } else {
      pieces[pieces.length - 1] = { from: last.from, at: isDone ? to : last.at, to }
    }
  }
  return pieces
}
