import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ModelSource } from '@freehold/core/device/parts'
import { ModelError } from '@freehold/core/errors'
import { CHUNK_BYTES, type Manifest } from '@freehold/core/wire/manifest'
import { readGguf } from '../engine/read-gguf.ts'
import { BUNDLED } from './acorn.ts'

/** Finds models by the name of a bundled one, or by the path of a GGUF file. */
export function createModelSource(): ModelSource {
  const known = new Map<string, { state: string; manifest: Promise<Manifest> }>()

  /** A file is read again when it has changed: every answer asks, and reading takes seconds. */
  async function manifestOf(source: string): Promise<Manifest> {
    const state = await stateOf(source)
    const old = known.get(source)
    if (old?.state === state) return old.manifest
    const manifest = readManifest(source)
    known.set(source, { state, manifest })
    manifest.catch(() => known.delete(source))
    return manifest
  }

  return {
    resolve: async (name) => {
      const source = BUNDLED[name.toLowerCase()] ?? (isPath(name) ? resolve(name) : undefined)
      if (source !== undefined) return { source, manifest: await manifestOf(source) }
      throw new ModelError({
        what: `there is no model "${name}" here`,
        next: `Bundled are ${Object.keys(BUNDLED).join(' and ')}; or give the path of a GGUF file`,
      })
    },
  }
}

/** Changes whenever the file does; empty when it is not there, which reading it says better. */
async function stateOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found ? [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join() : ''
}

/** Whether what was typed can only mean a file. */
export function isPath(name: string): boolean {
  return name.endsWith('.gguf') || name.includes('/') || name.includes('\\')
}

/** Whether what was typed means a model at all, rather than a prompt. */
export function isModelName(name: string): boolean {
  return name.toLowerCase() in BUNDLED || (isPath(name) && name.endsWith('.gguf'))
}

/** Reads a model file once and says what it is. @throws ModelError when it is no whole GGUF */
export async function readManifest(path: string): Promise<Manifest> {
  const { header } = await readGguf(path, {})
  const whole = createHash('sha256')
  const chunks = createHash('sha256')
  let sizeBytes = 0
  await using file = await open(path)
  const buffer = Buffer.alloc(CHUNK_BYTES)
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, sizeBytes)
    if (bytesRead === 0) break
    const piece = buffer.subarray(0, bytesRead)
    whole.update(piece)
    chunks.update(createHash('sha256').update(piece).digest())
    sizeBytes += bytesRead
  }
  const [sha256, chunkRoot] = [new Uint8Array(whole.digest()), new Uint8Array(chunks.digest())]
  return { files: [{ sha256, sizeBytes, chunkRoot, headerBytes: header.dataOffset }] }
}
