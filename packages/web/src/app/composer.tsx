import { useRef, useState } from 'preact/hooks'
import type { Attachment, Chat, Message } from '../chats/chat.ts'
import { lastQuestion, type Said } from '../chats/conversation.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Form } from './form.tsx'
import { Icon } from './icon.tsx'
import { readAttachments } from './read-attachments.ts'
import { ScopeSwitch } from './scope-switch.tsx'

export interface ComposerProps {
  app: App
  chat: Chat | undefined
  onSay: (said: Said) => void
  onEdit: (message: Message) => void
}

/** Where a person writes, with how far it may travel in plain sight. */
export function Composer({ app, chat, onSay, onEdit }: ComposerProps) {
  const [text, setText] = useState('')
  const [attachments, setAttachments] = useState<readonly Attachment[]>([])
  const picker = useRef<HTMLInputElement>(null)
  const isWriting = app.conversation.writing.value !== null

  const send = () => {
    if (isWriting || (text.trim() === '' && attachments.length === 0)) return
    setText('')
    setAttachments([])
    onSay({ text, attachments })
  }
  const attach = async (files: FileList | null | undefined) => {
    const { read, problems } = await readAttachments([...(files ?? [])])
    setAttachments([...attachments, ...read])
    if (problems.length > 0) app.notice.value = { text: problems.join(' ') }
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return
    // On a screen keyboard Enter is the only way to a new line.
    const isTouch = matchMedia('(pointer: coarse)').matches
    if (event.key === 'Enter' && !event.shiftKey && !isTouch) {
      event.preventDefault()
      send()
    }
    const last = lastQuestion(chat)
    if (event.key === 'ArrowUp' && text === '' && last !== undefined && !isWriting) {
      event.preventDefault()
      onEdit(last)
    }
  }
  return (
    <Form
      class="composer"
      onSubmit={send}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        void attach(event.dataTransfer?.files)
      }}
    >
      {attachments.length > 0 && (
        <ul class="files">
          {attachments.map((file) => (
            <li key={file.name}>
              <span dir="auto">{file.name}</span>
              <button
                type="button"
                class="quiet"
                aria-label={say('removeFile', { name: file.name })}
                onClick={() => setAttachments(attachments.filter((other) => other !== file))}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <label class="visually-hidden" for="message">
        {say('message')}
      </label>
      <textarea
        id="message"
        rows={1}
        dir="auto"
        value={text}
        placeholder={say('placeholder')}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="composer-bar">
        <button
          type="button"
          class="quiet"
          aria-label={say('attach')}
          title={say('attach')}
          onClick={() => picker.current?.click()}
        >
          <Icon name="clip" />
        </button>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label={say('attach')}
          onChange={(event) => {
            const { currentTarget } = event
            void attach(currentTarget.files).then(() => {
              currentTarget.value = ''
            })
          }}
        />
        <ScopeSwitch app={app} />
        {isWriting ? (
          <button
            type="button"
            class="round"
            aria-label={say('stop')}
            title={say('stop')}
            onClick={() => app.conversation.stop()}
          >
            <Icon name="stop" />
          </button>
        ) : (
          <button
            type="submit"
            class="round"
            aria-label={say('send')}
            title={say('send')}
            disabled={text.trim() === '' && attachments.length === 0}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </Form>
  )
}
