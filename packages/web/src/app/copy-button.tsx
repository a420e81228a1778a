import { useState } from 'preact/hooks'
import { say } from '../words/words.ts'
import { Icon } from './icon.tsx'

/** Copies a text, and says that it did until the pointer or the focus leaves. */
export function CopyButton({ text, label }: { text: string; label: 'copy' | 'copyCode' }) {
  const [isCopied, setCopied] = useState(false)
  const words = say(isCopied ? 'copied' : label)
  return (
    <button
      type="button"
      class="quiet"
      aria-label={words}
      title={words}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
      onBlur={() => setCopied(false)}
      onPointerLeave={() => setCopied(false)}
    >
      <Icon name={isCopied ? 'check' : 'copy'} />
    </button>
  )
}
