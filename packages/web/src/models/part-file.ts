export type PartRequest =
  | { kind: 'open'; folder: string; name: string }
  | { kind: 'write'; bytes: Uint8Array<ArrayBuffer> }
  | { kind: 'clear' }
  | { kind: 'close' }

/** Bytes that the file has now, or why it could not be done. */
export type PartReply = { sizeBytes: number } | { error: { name: string; message: string } }

/** A file that grows, and that keeps what it has when the page goes away. */
export interface PartFile extends AsyncDisposable {
  readonly sizeBytes: number
  /** Puts bytes behind those that are there. They are gone from the caller. @throws DOMException */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>
  clear(): Promise<void>
}

/** The page before this one may be on its way out, with its hand on the file. */
const OPEN_TRIES = 20
const OPEN_WAIT_MS = 250

/** @throws DOMException when another page writes it, or there is no room */
export async function openPartFile(folder: string, name: string): Promise<PartFile> {
  const worker = new Worker(new URL('./part-file.worker.ts', import.meta.url), { type: 'module' })
  let sizeBytes = 0

  async function ask(request: PartRequest, transfer: Transferable[] = []): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<PartReply>()
    worker.onmessage = ({ data }: MessageEvent<PartReply>) => resolve(data)
    worker.onerror = ({ message }) => reject(new Error(message || 'the worker does not start'))
    worker.postMessage(request, transfer)
    const reply = await promise
    if ('error' in reply) throw new DOMException(reply.error.message, reply.error.name)
    sizeBytes = reply.sizeBytes
  }

  try {
    for (let left = OPEN_TRIES; ; left--) {
      try {
        await ask({ kind: 'open', folder, name })
        break
      } catch (error) {
        const isHeld = error instanceof DOMException && error.name === 'NoModificationAllowedError'
        if (!isHeld || left === 0) throw error
        await new Promise((resolve) => setTimeout(resolve, OPEN_WAIT_MS))
      }
    }
  } catch (error) {
    worker.terminate()
    throw error
  }
  return {
    get sizeBytes() {
      return sizeBytes
    },
    write: (bytes) => ask({ kind: 'write', bytes }, [bytes.buffer]),
    clear: () => ask({ kind: 'clear' }),
    [Symbol.asyncDispose]: async () => {
      try {
        await ask({ kind: 'close' })
      } finally {
        worker.terminate()
      }
    },
  }
}
