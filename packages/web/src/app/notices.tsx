import { sentenceOf } from '../chats/conversation.ts'
import { say } from '../words/words.ts'
import type { App, Notice } from './app-state.ts'

/** What the person should know now, where no view says it. */
export function Notices({ app }: { app: App }) {
  const { conversation, offline, book, notice } = app
  const notices: (Notice & { key: string })[] = []
  if (conversation.held.value !== null) {
    const action = { label: say('useThisTab'), run: () => conversation.takeOver() }
    notices.push({ key: 'held', text: say('otherTabBusy'), action })
  }
  if (offline.isUpdateWaiting.value) {
    const action = { label: say('updateNow'), run: () => offline.update() }
    notices.push({ key: 'update', text: say('updateReady'), action })
  }
  const failure = book.failure.value
  if (failure !== null) notices.push({ key: 'failure', text: failureOf(failure) })
  if (notice.value !== null) notices.push({ key: 'notice', ...notice.value })
  return (
    <div class="notices" role="status">
      {notices.map(({ key, text, action }) => (
        <div class="notice" key={key}>
          <p>{text}</p>
          {action && (
            <button
              type="button"
              onClick={() => {
                action.run()
                if (key === 'notice') notice.value = null
              }}
            >
              {action.label}
            </button>
          )}
          {key === 'notice' && (
            <button type="button" onClick={() => (notice.value = null)}>
              {say('dismiss')}
            </button>
          )}
        </div>
      ))}
    </div>
  )
}

function failureOf(error: unknown): string {
  if (error instanceof DOMException) {
    if (error.name === 'QuotaExceededError') return say('diskFull')
    if (error.name === 'InvalidStateError') return say('wasCleared')
  }
  return say('notSaved', { why: sentenceOf(error) })
}
