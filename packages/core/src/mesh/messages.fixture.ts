import type { MessageStream } from './frames-over-stream.ts'

/**
 * A stream on which `messages` come one after the other.
 * @param isOpen whether nothing comes then, instead of the other side's end
 */
export function scriptedStream(
  messages: readonly Uint8Array[],
  { isOpen = false }: { isOpen?: boolean | undefined } = {},
): { stream: MessageStream; written: Uint8Array[] } {
  const written: Uint8Array[] = []
  const waiting = [...messages]
  const never = new Promise<null>(() => {})
  const stream: MessageStream = {
    read: async () => waiting.shift() ?? (isOpen ? never : null),
    write: async (data) => void written.push(data),
    writeAll: async (data) => void written.push(...data),
    close: async () => {},
    abort: () => {},
  }
  return { stream, written }
}
