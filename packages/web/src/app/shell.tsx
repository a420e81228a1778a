import { useEffect, useRef, useState } from 'preact/hooks'
import { language, say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { ChatView } from './chat-view.tsx'
import { Icon } from './icon.tsx'
import { isLazy, LazyPage } from './lazy-page.tsx'
import { ModelsView } from './models-view.tsx'
import { Notices } from './notices.tsx'
import { usePopovers } from './popovers.ts'
import { preferences } from './preferences.ts'
import { hrefOf } from './route.ts'
import { SettingsView } from './settings-view.tsx'
import { useShortcuts } from './shortcuts.tsx'
import { Sidebar } from './sidebar.tsx'

const WIDE = '(min-width: 56rem)'

/** The frame: chats at the side where there is room, behind a button where there is not. */
export function Shell({ app }: { app: App }) {
  const [isWide, setWide] = useState(() => matchMedia(WIDE).matches)
  const drawer = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const query = matchMedia(WIDE)
    const onChange = () => setWide(query.matches)
    query.addEventListener('change', onChange)
    return () => query.removeEventListener('change', onChange)
  }, [])
  useEffect(() => {
    document.documentElement.lang = language.value
    document.documentElement.dataset.theme = preferences.value.theme
  }, [language.value, preferences.value.theme])
  const close = () => drawer.current?.close()
  usePopovers()
  useShortcuts(app, () => {
    drawer.current?.showModal()
    document.getElementById('search')?.focus()
  })
  const route = app.route.value
  const chat =
    route.view === 'chat' && route.id !== null ? app.book.chats.value.get(route.id) : null
  const title = route.view === 'chat' ? chat?.title || say('newChat') : say(route.view)
  useEffect(() => {
    document.title = `${title} · ${say('appName')}`
  }, [title, language.value])

  return (
    <div class="shell">
      <button type="button" class="skip" onClick={toMessage}>
        {say('skipToChat')}
      </button>
      {isWide ? (
        <aside>
          <p class="brand">{say('appName')}</p>
          <Sidebar app={app} onGo={close} />
        </aside>
      ) : (
        <dialog
          ref={drawer}
          class="drawer"
          aria-label={say('chats')}
          onKeyDown={(event) => event.key === 'Escape' && event.stopPropagation()}
          onClick={(event) => event.target === drawer.current && close()}
        >
          <button type="button" class="quiet close" aria-label={say('closeMenu')} onClick={close}>
            <Icon name="close" />
          </button>
          <Sidebar app={app} onGo={close} />
        </dialog>
      )}
      <main>
        <header>
          {!isWide && (
            <button
              type="button"
              class="quiet"
              aria-label={say('openMenu')}
              onClick={() => drawer.current?.showModal()}
            >
              <Icon name="menu" />
            </button>
          )}
          <h1 dir="auto">{title}</h1>
          {!isWide && (
            <a
              class="quiet"
              href={hrefOf({ view: 'chat', id: null })}
              aria-label={say('newChat')}
              title={say('newChat')}
            >
              <Icon name="plus" />
            </a>
          )}
        </header>
        <Notices app={app} />
        {route.view === 'chat' && <ChatView app={app} id={route.id} />}
        {route.view === 'models' && <ModelsView app={app} />}
        {route.view === 'settings' && <SettingsView app={app} />}
        {isLazy(route.view) && <LazyPage key={route.view} app={app} page={route.view} />}
        {app.departure.value !== null && <LazyPage app={app} page="departure" />}
      </main>
    </div>
  )
}

/** The address after `#` names views: a link within the page would lead out of the chat. */
function toMessage(): void {
  document.getElementById('message')?.focus()
}
