import { useState } from 'preact/hooks'
import { type Chat, type Message, showBranch, siblingsOf } from '../chats/chat.ts'
import { Markdown } from '../markdown/markdown.tsx'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { CopyButton } from './copy-button.tsx'
import { Form } from './form.tsx'
import { Icon, type IconName } from './icon.tsx'
import { Mark } from './mark.tsx'
import { editIn, regenerateIn } from './send.ts'

export interface MessageProps {
  app: App
  chat: Chat
  message: Message
  isEdited: boolean
  onEdit: (message: Message | null) => void
}

/** One message with what can be done about it. */
export function MessageView(props: MessageProps) {
  const { app, chat, message, isEdited, onEdit } = props
  const isWriting = app.conversation.writing.value !== null
  if (isEdited) return <EditView {...props} />
  if (message.role === 'user') {
    return (
      <li class="message person">
        <h2 class="visually-hidden">{say('you')}</h2>
        {message.attachments.map(({ name }) => (
          <p class="file" key={name} dir="auto">
            {name}
          </p>
        ))}
        <p class="words" dir="auto">
          {message.content}
        </p>
        <div class="tools">
          <Versions {...props} />
          <CopyButton text={message.content} label="copy" />
          <Tool icon="edit" label={say('edit')} isOff={isWriting} onClick={() => onEdit(message)} />
        </div>
      </li>
    )
  }
  const { state, note, error } = message
  return (
    <li class="message answer" aria-busy={state === 'writing'}>
      <h2 class="visually-hidden">{note?.model ?? 'Acorn'}</h2>
      <Markdown text={message.content} />
      {state === 'writing' && <Working app={app} hasWords={message.content !== ''} />}
      {state === 'stopped' && <p class="state">{say('answerStopped')}</p>}
      {state === 'broken' && (
        <p class="state problem" role="alert">
          {say('answerBroken')} {error}
        </p>
      )}
      {state === 'done' && error !== null && <p class="state">{error}</p>}
      {state !== 'writing' && (
        <div class="tools">
          <Mark app={app} chat={chat} message={message} />
          <Versions {...props} />
          <CopyButton text={message.content} label="copy" />
          <Tool
            icon="redo"
            label={say('regenerate')}
            isOff={isWriting}
            onClick={() => regenerateIn(app, chat, message)}
          />
        </div>
      )}
    </li>
  )
}

function Working({ app, hasWords }: { app: App; hasWords: boolean }) {
  const fetching = app.space.fetching.value
  const name = app.space.models.value.find(({ sha256 }) => sha256 === app.model.value)?.name ?? ''
  if (fetching !== null) {
    const percent = Math.floor(fetching.done * 100)
    return <p class="state">{say('gettingModel', { name: fetching.name, percent })}</p>
  }
  if (hasWords) return <span class="cursor" />
  if (app.conversation.writing.value?.borrow) return <p class="state pulse">{say('borrowing')}</p>
  return <p class="state pulse">{say('loadingModel', { name })}</p>
}

function Versions({ app, chat, message }: MessageProps) {
  const all = siblingsOf(chat, message)
  if (all.length < 2) return null
  const at = all.findIndex(({ id }) => id === message.id)
  const show = (other: Message | undefined) => {
    if (other !== undefined) app.book.change(chat.id, (now) => showBranch(now, other.id))
  }
  const isWriting = app.conversation.writing.value !== null
  return (
    <span class="versions">
      <Tool
        icon="back"
        label={say('previousVersion')}
        isOff={isWriting || at === 0}
        onClick={() => show(all[at - 1])}
      />
      <span title={say('versionOf', { at: at + 1, count: all.length })}>
        {at + 1}/{all.length}
      </span>
      <Tool
        icon="next"
        label={say('nextVersion')}
        isOff={isWriting || at === all.length - 1}
        onClick={() => show(all[at + 1])}
      />
    </span>
  )
}

function EditView({ app, chat, message, onEdit }: MessageProps) {
  const [text, setText] = useState(message.content)
  const save = () => {
    onEdit(null)
    if (text.trim() !== '') editIn(app, chat, message, text)
  }
  return (
    <li class="message person">
      <Form class="editing" onSubmit={save}>
        <textarea
          aria-label={say('editMessage')}
          dir="auto"
          value={text}
          ref={focusOnce}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') onEdit(null)
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
              event.preventDefault()
              save()
            }
          }}
        />
        <div class="row">
          <button type="button" onClick={() => onEdit(null)}>
            {say('cancel')}
          </button>
          <button type="submit" class="primary">
            {say('saveAndSend')}
          </button>
        </div>
      </Form>
    </li>
  )
}

function focusOnce(box: HTMLTextAreaElement | null): void {
  if (document.activeElement !== box) box?.focus()
}

interface ToolProps {
  icon: IconName
  label: string
  isOff?: boolean
  onClick: () => void
}

function Tool({ icon, label, isOff = false, onClick }: ToolProps) {
  return (
    <button
      type="button"
      class="quiet"
      aria-label={label}
      title={label}
      disabled={isOff}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}
