import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { branchOf, type Chat, type Message } from '../chats/chat.ts'
import type { Said } from '../chats/conversation.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Composer } from './composer.tsx'
import { Icon } from './icon.tsx'
import { LiveRegion } from './live-region.tsx'
import { MessageView } from './message-view.tsx'
import { sayIn } from './send.ts'

/** Nearer to the end than this, what is written next scrolls into view. */
const NEAR_END_PX = 80
const EXAMPLES = ['example1', 'example2', 'example3'] as const

/** A conversation, or the beginning of one. */
export function ChatView({ app, id }: { app: App; id: string | null }) {
  const chat = id === null ? undefined : app.book.chats.value.get(id)
  const messages = chat === undefined ? [] : branchOf(chat)
  const [edited, setEdited] = useState<Message | null>(null)
  const scroller = useRef<HTMLDivElement>(null)
  const isAtEnd = useRef(true)
  const last = messages.at(-1)

  useLayoutEffect(() => {
    const box = scroller.current
    if (box !== null && isAtEnd.current) box.scrollTop = box.scrollHeight
  }, [last?.id, last?.content, last?.state])
  useEffect(() => {
    isAtEnd.current = true
    setEdited(null)
    if (!matchMedia('(pointer: coarse)').matches) document.getElementById('message')?.focus()
  }, [id])

  const ask = (said: Said) => {
    isAtEnd.current = true
    sayIn(app, chat, said)
  }
  return (
    <>
      <div
        class="scroller"
        ref={scroller}
        onScroll={({ currentTarget: box }) => {
          isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX
        }}
      >
        {chat === undefined || messages.length === 0 ? (
          <section class="welcome">
            <h2>{say('welcome')}</h2>
            <p>{say('welcomeNote')}</p>
            <p class="muted">{say('welcomeLimits')}</p>
            <OfflineState app={app} />
            <ul>
              {EXAMPLES.map((example) => (
                <li key={example}>
                  <button
                    type="button"
                    lang="en"
                    onClick={() => ask({ text: say(example), attachments: [] })}
                  >
                    {say(example)}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ) : (
          <ol class="messages">
            {messages.map((message) => (
              <MessageView
                key={message.id}
                app={app}
                chat={chat}
                message={message}
                isEdited={edited?.id === message.id}
                onEdit={setEdited}
              />
            ))}
          </ol>
        )}
      </div>
      {last?.role === 'assistant' && (
        <LiveRegion id={last.id} text={last.content} isWriting={last.state === 'writing'} />
      )}
      <div class="foot">
        {chat !== undefined && <SystemPrompt app={app} chat={chat} />}
        <Composer app={app} chat={chat} onEdit={setEdited} onSay={ask} />
      </div>
    </>
  )
}

/** Says when the network can go. */
function OfflineState({ app }: { app: App }) {
  const hasModel = app.space.models.value.some(
    ({ sha256, isHere }) => isHere && sha256 === app.model.value,
  )
  return (
    <p class="offline" role="status">
      {app.offline.isReady.value && hasModel && (
        <>
          <Icon name="check" />
          {say('offlineReady')}
        </>
      )}
    </p>
  )
}

/** What the model is told first in this chat. */
function SystemPrompt({ app, chat }: { app: App; chat: Chat }) {
  return (
    <details class="system">
      <summary>{say('systemPromptChat')}</summary>
      <textarea
        aria-label={say('systemPromptChat')}
        dir="auto"
        rows={3}
        value={chat.system}
        onInput={({ currentTarget: { value: system } }) =>
          app.book.change(chat.id, (now) => ({ ...now, system }), 'soon')
        }
      />
    </details>
  )
}
