import { useState } from 'preact/hooks'
import { searchChats } from '../chats/search-chats.ts'
import { isServedByDevice } from '../dashboard/device-client.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Icon, type IconName } from './icon.tsx'
import { go, hrefOf, PAGES, type Page } from './route.ts'

const ICONS: Record<Page, IconName> = {
  dashboard: 'device',
  models: 'box',
  lenders: 'people',
  wallet: 'key',
  egress: 'list',
  figures: 'bars',
  settings: 'gear',
}

/** A device's dashboard is a page of that device alone. */
function isHere(view: Page): boolean {
  return view !== 'dashboard' || isServedByDevice()
}

/** All chats and the way to the other pages. */
export function Sidebar({ app, onGo }: { app: App; onGo: () => void }) {
  const [query, setQuery] = useState('')
  const route = app.route.value
  const chats = [...app.book.chats.value.values()]
  const found = searchChats(chats, query)

  const remove = (id: string) => {
    const chat = app.book.chats.value.get(id)
    if (chat === undefined) return
    if (app.conversation.writing.value?.chat === id) app.conversation.stop()
    app.book.remove(id)
    if (route.view === 'chat' && route.id === id) go({ view: 'chat', id: null })
    const title = chat.title || say('untitled')
    app.notice.value = {
      text: say('chatDeleted', { title }),
      action: { label: say('undo'), run: () => app.book.put(chat) },
    }
  }
  const isAt = (view: string, id?: string) =>
    route.view === view && (route.view !== 'chat' || route.id === id) ? 'page' : undefined
  return (
    <div class="sidebar">
      <a class="new" href={hrefOf({ view: 'chat', id: null })} onClick={onGo}>
        <Icon name="plus" />
        {say('newChat')}
      </a>
      {chats.length > 0 && (
        <label class="search">
          <span class="visually-hidden">{say('searchChats')}</span>
          <Icon name="search" />
          <input
            id="search"
            type="search"
            placeholder={say('searchChats')}
            value={query}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        </label>
      )}
      <nav class="chats" aria-label={say('chats')}>
        {found.length === 0 && (
          <p class="muted">{say(chats.length === 0 ? 'noChats' : 'nothingFound')}</p>
        )}
        <ul>
          {found.map(({ chat, snippet }) => {
            const title = chat.title || say('untitled')
            return (
              <li key={chat.id}>
                <a
                  href={hrefOf({ view: 'chat', id: chat.id })}
                  aria-current={isAt('chat', chat.id)}
                  onClick={onGo}
                  dir="auto"
                >
                  <span>{title}</span>
                  {snippet !== '' && <small>{snippet}</small>}
                </a>
                <button
                  type="button"
                  class="quiet"
                  aria-label={say('deleteChat', { title })}
                  title={say('deleteChat', { title })}
                  onClick={() => remove(chat.id)}
                >
                  <Icon name="trash" />
                </button>
              </li>
            )
          })}
        </ul>
      </nav>
      <nav class="pages" aria-label={say('appName')}>
        {PAGES.filter(isHere).map((view) => (
          <a key={view} href={hrefOf({ view })} aria-current={isAt(view)} onClick={onGo}>
            <Icon name={ICONS[view]} />
            {say(view)}
          </a>
        ))}
      </nav>
    </div>
  )
}
