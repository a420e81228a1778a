import { useEffect } from 'preact/hooks'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { closePopovers } from './popovers.ts'
import { preferences } from './preferences.ts'
import { go } from './route.ts'

const LIST = [
  ['Enter', 'keySend'],
  ['Shift + Enter', 'keyLine'],
  ['Esc', 'keyStop'],
  ['Ctrl/⌘ + Shift + O', 'keyNew'],
  ['/', 'keyFocus'],
  ['Ctrl/⌘ + K', 'keySearch'],
  ['↑', 'keyEditLast'],
  ['?', 'keyHelp'],
] as const

export function ShortcutList() {
  return (
    <dl class="shortcuts">
      {LIST.map(([keys, label]) => (
        <div key={keys}>
          <dt>
            <kbd>{keys}</kbd>
          </dt>
          <dd>{say(label)}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Keys that work wherever the focus is. Esc always stops: nobody should have to look for that. */
export function useShortcuts(app: App, showSearch: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return
      const { key, target } = event
      if (key === 'Escape') {
        if (!closePopovers(null)) app.conversation.stop()
        return
      }
      if (!preferences.value.shortcuts) return
      const isTyping = target instanceof Element && target.matches('input, textarea, select')
      const isCommand = event.ctrlKey || event.metaKey
      if (isCommand && event.shiftKey && key.toLowerCase() === 'o') go({ view: 'chat', id: null })
      else if (isCommand && key.toLowerCase() === 'k') showSearch()
      else if (isTyping || isCommand || event.altKey) return
      else if (key === '/') document.getElementById('message')?.focus()
      else if (key === '?') go({ view: 'settings' })
      else return
      event.preventDefault()
    }
    addEventListener('keydown', onKeyDown)
    return () => removeEventListener('keydown', onKeyDown)
  }, [app, showSearch])
}
