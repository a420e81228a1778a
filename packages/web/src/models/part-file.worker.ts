/**
 * Writes a file of the origin-private file system in place, which only a worker may. It fetches
 * nothing: what is written was fetched by the page, under the page's own policy.
 */
import type { PartReply, PartRequest } from './part-file.ts'

/** What the library of types knows in workers alone. */
interface SyncHandle {
  getSize(): number
  truncate(sizeBytes: number): void
  write(bytes: Uint8Array, at: { at: number }): number
  flush(): void
  close(): void
}

interface Scope {
  onmessage: ((event: MessageEvent<PartRequest>) => void) | null
  postMessage(reply: PartReply): void
}

const scope = globalThis as unknown as Scope
let handle: SyncHandle | null = null

scope.onmessage = async ({ data }) => {
  try {
    scope.postMessage({ sizeBytes: await work(data) })
  } catch (error) {
    const { name, message } = error as Error
    scope.postMessage({ error: { name, message } })
  }
}

async function work(request: PartRequest): Promise<number> {
  if (request.kind === 'open') {
    const root = await navigator.storage.getDirectory()
    const folder = await root.getDirectoryHandle(request.folder, { create: true })
    const file = await folder.getFileHandle(request.name, { create: true })
    const { createSyncAccessHandle } = file as unknown as {
      createSyncAccessHandle: () => Promise<SyncHandle>
    }
    handle = await createSyncAccessHandle.call(file)
    return handle.getSize()
  }
  if (handle === null) throw new Error('no file is open')
  if (request.kind === 'clear') handle.truncate(0)
  if (request.kind === 'write') {
    let { bytes } = request
    while (bytes.length > 0) {
      const written = handle.write(bytes, { at: handle.getSize() })
      // Chromium in private windows throws nothing: it says -8, as a number without a sign.
      if (written === 0 || written > bytes.length) {
        throw new DOMException('there is no more room', 'QuotaExceededError')
      }
      bytes = bytes.subarray(written)
    }
  }
  const sizeBytes = handle.getSize()
  if (request.kind === 'close') {
    handle.flush()
    handle.close()
    handle = null
  }
  return sizeBytes
}
