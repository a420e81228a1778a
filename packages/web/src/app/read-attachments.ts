import type { Attachment } from '../chats/chat.ts'
import { say, saySize } from '../words/words.ts'

/** More than any model of a browser takes in. */
const MAX_BYTES = 200_000

/** Files as text; what is too large or no text is left out with a sentence for the person. */
export async function readAttachments(
  files: readonly File[],
): Promise<{ read: Attachment[]; problems: string[] }> {
  const read: Attachment[] = []
  const problems: string[] = []
  for (const file of files) {
    const { name } = file
    if (file.size > MAX_BYTES) {
      problems.push(say('fileTooLarge', { name, size: saySize(MAX_BYTES) }))
      continue
    }
    const text = textOf(await file.arrayBuffer())
    if (text === null) problems.push(say('fileNoText', { name }))
    else read.push({ name, text })
  }
  return { read, problems }
}

function textOf(bytes: ArrayBuffer): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return text.includes('\0') ? null : text
  } catch {
    return null
  }
}
