import { toHex } from '@freehold/core/bytes'
import { ModelError } from '@freehold/core/errors'
import { sha256 } from '@noble/hashes/sha2.js'
import { openPartFile, type PartFile } from './part-file.ts'

const FOLDER = 'models'
const SUFFIX = '.gguf'
const PART = '.part'

export interface KeepInit {
  /** What the bytes must hash to; 64 hex digits. */
  sha256: string
  onProgress?: ((doneBytes: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** Models in the origin-private file system, each under its SHA-256. */
export interface ModelFolder {
  /** What is here: sizes in bytes by SHA-256. */
  list(): Promise<Map<string, number>>
  /** null: it is not here. The bytes are not checked: whoever loads them does. */
  open(sha256: string): Promise<Blob | null>
  /**
   * Keeps a model whole, or not at all.
   * @throws ModelError when the bytes are others than promised, or there is no room
   */
  keep(bytes: ReadableStream<Uint8Array<ArrayBuffer>>, init: KeepInit): Promise<void>
  remove(sha256: string): Promise<void>
  /** What is here of a model that is on its way; null: nothing. */
  part(sha256: string): Promise<Blob | null>
  /** Opens it for more. @throws DOMException while another page does */
  openPart(sha256: string): Promise<PartFile>
  /** Gives it the name of a whole model: whoever calls has checked its bytes. */
  keepPart(sha256: string): Promise<void>
  removePart(sha256: string): Promise<void>
}

export function createModelFolder(): ModelFolder {
  const folder = async () => {
    const root = await navigator.storage.getDirectory()
    return root.getDirectoryHandle(FOLDER, { create: true })
  }
  const fileOf = async (name: string): Promise<Blob | null> => {
    try {
      const file = await (await (await folder()).getFileHandle(name)).getFile()
      return file.size > 0 ? file : null
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }
  return {
    list: async () => {
      const sizes = new Map<string, number>()
      for await (const [name, handle] of await folder()) {
        if (!name.endsWith(SUFFIX) || !(handle instanceof FileSystemFileHandle)) continue
        const { size } = await handle.getFile()
        // A file that was begun and never kept is empty.
        if (size > 0) sizes.set(name.slice(0, -SUFFIX.length), size)
      }
      return sizes
    },
    open: (id) => fileOf(id + SUFFIX),
    keep: async (bytes, { sha256: wanted, onProgress, signal }) => {
      const hash = sha256.create()
      let done = 0
      let writable: FileSystemWritableFileStream | undefined
      try {
        const handle = await (await folder()).getFileHandle(wanted + SUFFIX, { create: true })
        writable = await handle.createWritable()
        for await (const part of bytes) {
          signal?.throwIfAborted()
          hash.update(part)
          await writable.write(part)
          done += part.length
          onProgress?.(done)
        }
        if (toHex(hash.digest()) !== wanted) throw otherBytes()
        await writable.close()
      } catch (error) {
        await writable?.abort().catch(() => {})
        if (error instanceof DOMException && error.name === 'QuotaExceededError')
          throw noRoom(error)
        throw error
      }
    },
    remove: async (id) => {
      await (await folder()).removeEntry(id + SUFFIX)
    },
    part: (id) => fileOf(id + PART),
    openPart: async (id) => {
      await folder()
      return openPartFile(FOLDER, id + PART)
    },
    keepPart: async (id) => {
      const handle = await (await folder()).getFileHandle(id + PART)
      await (handle as FileSystemFileHandle & { move(name: string): Promise<void> }).move(
        id + SUFFIX,
      )
    },
    removePart: async (id) => {
      await (await folder()).removeEntry(id + PART).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      })
    },
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'NotFoundError'
}

/** The bytes of a model are not those that its fingerprint promises. @param url where they came from */
export function otherBytes(url?: string): ModelError {
  const what = 'the model was refused'
  const why = 'its bytes are not those that its fingerprint promises'
  if (url !== undefined)
    return new ModelError({ what, why, next: `${new URL(url).host} sent them.` })
  return new ModelError({
    ...{ what, why },
    next: 'Remove it on the page Models; then it can be fetched again.',
  })
}

/** A disk or a quota is full. */
export function noRoom(cause: unknown): ModelError {
  return new ModelError({
    what: 'the model could not be kept',
    why: 'this device has no more room for it',
    next: 'Remove other models first.',
    cause,
  })
}
