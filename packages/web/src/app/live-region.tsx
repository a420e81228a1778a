import { useEffect, useRef, useState } from 'preact/hooks'
import { endOfSentences } from './sentences.ts'

/** Reads an answer aloud sentence by sentence: word by word nobody could follow. */
export function LiveRegion({
  id,
  text,
  isWriting,
}: {
  id: string
  text: string
  isWriting: boolean
}) {
  const read = useRef({ id: '', upTo: 0 })
  const [words, setWords] = useState('')
  useEffect(() => {
    // What was there before is not read again.
    if (read.current.id !== id) read.current = { id, upTo: isWriting ? 0 : text.length }
    const end = isWriting ? endOfSentences(text) : text.length
    if (end <= read.current.upTo) return
    setWords(text.slice(read.current.upTo, end))
    read.current.upTo = end
  }, [id, text, isWriting])
  return (
    <div class="visually-hidden" aria-live="polite">
      {words}
    </div>
  )
}
