import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What was typed in earlier chats. */
export interface ChatHistory {
  /** Latest first, as a terminal wants it. */
  read(): Promise<readonly string[]>
  add(text: string): Promise<void>
}

export const NO_HISTORY: ChatHistory = { read: async () => [], add: async () => {} }

const MOST = 1_000

/** One message on each line of a file that its owner alone reads. */
export function createChatHistory(path: string): ChatHistory {
  const all = async () => {
    const text = await readFile(path, 'utf8').catch(() => '')
    return text.split('\n').filter((line) => line !== '')
  }
  return {
    read: async () => {
      const lines = await all()
      if (lines.length > 2 * MOST) {
        await writeFile(`${path}.part`, `${lines.slice(-MOST).join('\n')}\n`, { mode: 0o600 })
        await rename(`${path}.part`, path)
      }
      return lines.slice(-MOST).reverse()
    },
    add: async (text) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await appendFile(path, `${text.replaceAll('\n', ' ')}\n`, { mode: 0o600 })
    },
  }
}
