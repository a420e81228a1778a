import type { ComponentType } from 'preact'
import { useState } from 'preact/hooks'
import type { AnswerNote, Chat, Message } from '../chats/chat.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Icon } from './icon.tsx'
import type { ReceiptProps } from './receipt-view.tsx'

/** How a borrowed answer is marked, by what its audits said. */
const MARKS = {
  open: { words: 'markOpen', icon: 'people' },
  none: { words: 'markNotAudited', icon: 'people' },
  pass: { words: 'markPassed', icon: 'shield' },
  fail: { words: 'markFailed', icon: 'alert' },
} as const

/** Who wrote an answer, and what that proves. */
export function Mark({ app, chat, message }: { app: App; chat: Chat; message: Message }) {
  const [view, setView] = useState<{ Receipt: ComponentType<ReceiptProps> } | null>(null)
  const { note } = message
  if (note === null) return null
  const { borrowed } = note
  if (borrowed === undefined) return <OwnMark note={note} />
  const { check, rung } = borrowed
  const { words, icon } = MARKS[check]
  const load = async () => {
    if (view === null) setView({ Receipt: (await import('./receipt-view.tsx')).ReceiptView })
  }
  return (
    <details
      class={`popover mark mark-${check}`}
      name="popover"
      onToggle={({ currentTarget }) => currentTarget.open && void load()}
    >
      <summary>
        <Icon name={icon} />
        <span>
          {say(rung === 'own' ? 'markOwn' : 'markBorrowed', { model: note.model })} · {say(words)}
        </span>
      </summary>
      <div>{view && <view.Receipt {...{ app, chat, message, note, borrowed }} />}</div>
    </details>
  )
}

function OwnMark({ note }: { note: AnswerNote }) {
  const seconds = (note.totalMs / 1000).toFixed(1)
  return (
    <details class="popover mark" name="popover">
      <summary>
        <Icon name="device" />
        <span>{say('writtenHere', { model: note.model })}</span>
      </summary>
      <div>
        <p>{say('markProof')}</p>
        <p>{say('markNumbers', { tokens: note.tokens, seconds })}</p>
        <p>
          {say('fingerprint')}: <code>{note.modelId}</code>
        </p>
      </div>
    </details>
  )
}
