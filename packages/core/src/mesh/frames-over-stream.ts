import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { LendingError, WireError } from '../errors.ts'
import type { FrameDuplex } from '../lending/duplex.ts'
import { decodeFrame, encodeFrame } from '../wire/frames.ts'
import { MAX_FRAME_BYTES } from '../wire/limits.ts'
import { readGreeting } from './eager-streams.ts'

/** Length-prefixed messages over one libp2p stream. */
export interface MessageStream {
  /** Resolves when the carrier can take more. */
  write(data: Uint8Array, init?: { signal?: AbortSignal | undefined }): Promise<void>
  /** Several at once: each write of its own costs both devices far more than its bytes. */
  writeAll(data: readonly Uint8Array[]): Promise<void>
  /** null when the other side has closed. @throws WireError when a message is too large */
  read(init?: { signal?: AbortSignal | undefined }): Promise<Uint8Array | null>
  close(): Promise<void>
  abort(reason: Error): void
}

export function messagesOver(stream: Stream, maxBytes: number): MessageStream {
  const framed = lpStream(stream, { maxDataLength: maxBytes })
  const read: MessageStream['read'] = async ({ signal } = {}) => {
    try {
      return (await framed.read(signal ? { signal } : {})).subarray()
    } catch (error) {
      return endOf(error as Error)
    }
  }
  return {
    write: (data, { signal } = {}) => framed.write(data, signal ? { signal } : {}),
    writeAll: (data) => framed.writeV([...data]),
    read: async (init) => {
      await readGreeting(stream, () => read(init))
      return read(init)
    },
    close: () => stream.close(),
    abort: (reason) => stream.abort(reason),
  }
}

function endOf(error: Error): null {
  if (error.name === 'UnexpectedEOFError') return null
  if (error.name.startsWith('InvalidDataLength') || error.name === 'InvalidMessageLengthError') {
    throw new WireError({ what: 'message is too large', why: error.message, cause: error })
  }
  throw new LendingError('lost', { what: 'the connection broke', why: error.message, cause: error })
}

/** Frames of an answer over one libp2p stream. */
export function framesOver(stream: Stream): FrameDuplex {
  const messages = messagesOver(stream, MAX_FRAME_BYTES)
  return {
    send: (...frames) => messages.writeAll(frames.map(encodeFrame)),
    receive: async () => {
      const data = await messages.read()
      return data === null ? null : decodeFrame(data)
    },
    close: () => messages.close(),
    abort: (reason) => messages.abort(reason),
  }
}
