import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { writeFileSafely } from '../storage/write-file-safely.ts'

/** A stretch of a file: all before `at` is on the disk. */
export interface Piece {
  readonly from: number
  at: number
  readonly to: number
}

/** No more pieces than this, so that the note of them stays small. */
const MAX_PIECES = 512
const MIN_PIECE_BYTES = 16 * 1024 * 1024

const schema = z.object({
  sizeBytes: z.number(),
  etag: z.string().nullable(),
  pieces: z.array(z.tuple([z.number().int(), z.number().int(), z.number().int()])),
})

export interface DownloadStateInit {
  sizeBytes: number
  etag: string | null
  /** @default 16 MiB, more for very large files */
  pieceBytes?: number | undefined
}

/** The pieces of a new download. */
export function cutIntoPieces({ sizeBytes, pieceBytes }: DownloadStateInit): Piece[] {
  const step = pieceBytes ?? Math.max(MIN_PIECE_BYTES, Math.ceil(sizeBytes / MAX_PIECES))
  const pieces: Piece[] = []
  for (let from = 0; from < sizeBytes; from += step) {
    pieces.push({ from, at: from, to: Math.min(sizeBytes, from + step) })
  }
  return pieces
}

/** The pieces of a download that was begun; null: there is none of this very file. */
export async function readPieces(path: string, init: DownloadStateInit): Promise<Piece[] | null> {
  try {
    const state = schema.parse(JSON.parse(await readFile(path, 'utf8')))
    if (state.sizeBytes !== init.sizeBytes || state.etag !== init.etag) return null
    let end = 0
    for (const [from, at, to] of state.pieces) {
      if (from !== end || at < from || at > to) return null
      end = to
    }
    return end === init.sizeBytes ? state.pieces.map(([from, at, to]) => ({ from, at, to })) : null
  } catch {
    return null
  }
}

/** Notes what is on the disk: call it once it is. */
export async function writePieces(
  path: string,
  { sizeBytes, etag }: DownloadStateInit,
  pieces: readonly Piece[],
): Promise<void> {
  const state: z.infer<typeof schema> = {
    sizeBytes,
    etag,
    pieces: pieces.map(({ from, at, to }) => [from, at, to]),
  }
  await writeFileSafely(path, JSON.stringify(state))
}

export function bytesDone(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { from, at }) => sum + at - from, 0)
}
