import { LendingError } from '../errors.ts'
import { decodeFrame, encodeFrame, type Frame } from '../wire/frames.ts'
import type { FrameDuplex } from './duplex.ts'

type Entry = Uint8Array | null | Error

/**
 * Two ends in one process, for tests and for a device that borrows from itself. Frames are encoded
 * and decoded on the way, as they are between machines.
 */
export function createDuplexPair(): [FrameDuplex & RawEnd, FrameDuplex & RawEnd] {
  const ab = createQueue()
  const ba = createQueue()
  return [end(ab, ba), end(ba, ab)]
}

/** Lets a test send bytes that no honest encoder makes. */
export interface RawEnd {
  sendRaw(data: Uint8Array): void
}

function end(out: Queue, incoming: Queue): FrameDuplex & RawEnd {
  return {
    send: async (...frames: Frame[]) => {
      for (const frame of frames) out.push(encodeFrame(frame))
    },
    sendRaw: (data) => out.push(data),
    receive: async () => {
      const entry = await incoming.shift()
      if (entry instanceof Error) throw entry
      return entry === null ? null : decodeFrame(entry)
    },
    close: async () => out.push(null),
    abort: (reason) => {
      out.push(new LendingError('lost', { what: 'the other device hung up', why: reason.message }))
      incoming.push(null)
    },
  }
}

interface Queue {
  push(entry: Entry): void
  shift(): Promise<Entry>
}

function createQueue(): Queue {
  const entries: Entry[] = []
  const waiting: ((entry: Entry) => void)[] = []
  return {
    push(entry) {
      const taker = waiting.shift()
      if (taker) taker(entry)
      else entries.push(entry)
    },
    shift: () => {
      const entry = entries.shift()
      if (entry !== undefined) return Promise.resolve(entry)
      return new Promise((resolve) => waiting.push(resolve))
    },
  }
}
