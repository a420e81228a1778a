import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { writeFileSafely } from '../storage/write-file-safely.ts'
import { hashFile } from './hash-file.ts'

/** What a text's first ids are once computed, in a file. */
export interface PrefixFile {
  readonly ids: readonly number[]
  readonly path: string
}

/**
 * The last texts of one model, so that they need not be computed again after it was unloaded. They
 * hold what the owner wrote and read: folders and files are the owner's alone.
 */
export interface PrefixFiles {
  readonly all: readonly PrefixFile[]
  /** Whether the file is what was written; if not, it is removed. */
  isSound(file: PrefixFile): Promise<boolean>
  /** Keeps one more, whole or not at all. @param write writes it over an empty file */
  save(ids: readonly number[], write: (path: string) => Promise<unknown>): Promise<void>
}

export interface PrefixFilesInit {
  /** Of all models. */
  folder: string
  modelId: string
  /** Whatever else the numbers depend on: files with another key are left alone. */
  key: string
  /** Bytes for all models. @default 1 GB */
  mostBytes?: number | undefined
  /** What one id takes: what would be too large is not written first. @default 0 */
  bytesPerToken?: number | undefined
  /** Files for all models. @default 16 */
  mostFiles?: number | undefined
}

interface Note {
  key: string
  ids: number[]
  sha256: string
}

/** Finds what is there of a model. Files without a note were not finished, and are removed. */
export async function openPrefixFiles(init: PrefixFilesInit): Promise<PrefixFiles> {
  const { folder, modelId, key, mostBytes = 1e9, mostFiles = 16, bytesPerToken = 0 } = init
  const own = join(folder, modelId)
  const notes = new Map<PrefixFile, Note>()
  const names = await list(own)
  for (const name of names) {
    if (name.endsWith('.json')) {
      const path = join(own, name.replace(/json$/, 'kv'))
      const note = await readNote(join(own, name))
      if (note === null) await remove(path)
      else if (note.key === key) notes.set({ ids: note.ids, path }, note)
    } else if (!(name.endsWith('.kv') && names.includes(name.replace(/kv$/, 'json')))) {
      await rm(join(own, name), { force: true })
    }
  }

  /** Removes the oldest until all that is left is within the limits. */
  async function prune(): Promise<void> {
    const kept: { path: string; sizeBytes: number; atMs: number }[] = []
    for (const model of await list(folder)) {
      for (const name of await list(join(folder, model))) {
        const path = join(folder, model, name)
        const found = name.endsWith('.kv') ? await stat(path).catch(() => null) : null
        if (found) kept.push({ path, sizeBytes: found.size, atMs: found.mtimeMs })
      }
    }
    kept.sort((a, b) => b.atMs - a.atMs)
    let bytes = 0
    for (const [index, { path, sizeBytes }] of kept.entries()) {
      bytes += sizeBytes
      if (index >= mostFiles || bytes > mostBytes) await remove(path)
    }
  }

  return {
    get all() {
      return [...notes.keys()]
    },
    async isSound(file) {
      const sha256 = await hashFile(file.path).catch(() => null)
      if (sha256 !== null && sha256 === notes.get(file)?.sha256) return true
      notes.delete(file)
      await remove(file.path)
      return false
    },
    async save(ids, write) {
      if (ids.length * bytesPerToken > mostBytes) return
      const isPart = (part: readonly number[], whole: readonly number[]) =>
        part.every((id, at) => whole[at] === id)
      if ([...notes.keys()].some((file) => isPart(ids, file.ids))) return
      const path = join(own, `${randomUUID()}.kv`)
      const draft = `${path}.draft`
      try {
        // Makes the folder too.
        await writeFileSafely(draft, '')
        await write(draft)
        await using file = await open(draft, 'r+')
        await file.sync()
        const note: Note = { key, ids: [...ids], sha256: await hashFile(draft) }
        await rename(draft, path)
        await writeFileSafely(path.replace(/kv$/, 'json'), JSON.stringify(note))
        for (const old of [...notes.keys()].filter((other) => isPart(other.ids, ids))) {
          notes.delete(old)
          await remove(old.path)
        }
        notes.set({ ids: note.ids, path }, note)
      } catch (error) {
        await rm(draft, { force: true })
        await remove(path)
        throw error
      }
      await prune()
    },
  }
}

/** Removes all that is kept of a model's texts. */
export async function removePrefixes(folder: string, modelId: string): Promise<void> {
  await rm(join(folder, basename(modelId)), { recursive: true, force: true })
}

/** The note goes first: what has none counts for nothing. */
async function remove(path: string): Promise<void> {
  await rm(join(dirname(path), basename(path).replace(/kv$/, 'json')), { force: true })
  await rm(path, { force: true })
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}

async function readNote(path: string): Promise<Note | null> {
  try {
    const { key, ids, sha256 } = JSON.parse(await readFile(path, 'utf8')) as Note
    const isNote = typeof key === 'string' && typeof sha256 === 'string' && Array.isArray(ids)
    return isNote && ids.every(Number.isInteger) ? { key, ids, sha256 } : null
  } catch {
    return null
  }
}
