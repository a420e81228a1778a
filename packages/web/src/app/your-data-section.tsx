import { Fragment } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { mergeChats } from '../chats/chat.ts'
import { language, say, sayUnits } from '../words/words.ts'
import type { App } from './app-state.ts'
import { deleteEverything } from './delete-everything.ts'
import { exportAll, importAll, type Portable } from './portable.ts'
import { prefer, preferences } from './preferences.ts'
import { Problem } from './problem.tsx'
import { saveFile } from './save-file.ts'
import { useWork } from './use-work.ts'

/** What a person can take along, take in, and delete. */
export function YourDataSection({ app }: { app: App }) {
  const [isDeleting, setDeleting] = useState(false)
  const [found, setFound] = useState<Portable | null>(null)
  const picker = useRef<HTMLInputElement>(null)
  const work = useWork()
  const { book, member } = app
  const save = () => {
    const chats = [...book.chats.value.values()]
    const of = { preferences: preferences.value, settings: member.settings.value }
    saveFile('freehold', 'json', 'application/json', exportAll({ chats, ...of }))
  }
  const read = async (file: File) => setFound(importAll(await file.text()))
  const take = async ({ chats, preferences, settings }: Portable, withSettings: boolean) => {
    for (const chat of chats) {
      const here = book.chats.value.get(chat.id)
      book.put(here === undefined ? chat : mergeChats(here, chat))
    }
    await book.flush()
    setFound(null)
    app.notice.value = { text: say('imported', { count: chats.length }) }
    if (!withSettings) return
    prefer(preferences)
    await member.change(settings)
  }
  return (
    <>
      <h3>{say('yourData')}</h3>
      <p class="muted">{say('exportNote')}</p>
      <div class="row">
        <button type="button" onClick={save}>
          {say('exportAll')}
        </button>
        <button type="button" onClick={() => picker.current?.click()}>
          {say('importFile')}
        </button>
        <button type="button" onClick={() => setDeleting(true)}>
          {say('deleteAll')}
        </button>
      </div>
      <input
        ref={picker}
        type="file"
        accept="application/json,.json"
        hidden
        aria-label={say('importFile')}
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? []
          if (file !== undefined) work.run(() => read(file))
          currentTarget.value = ''
        }}
      />
      <Problem text={work.problem} />
      {found !== null && (
        <div class="card" role="alert">
          <p>{say('importFound', { count: found.chats.length })}</p>
          <Found found={found} />
          <p class="muted">{say('importKeeps')}</p>
          <div class="row">
            <button type="button" onClick={() => setFound(null)}>
              {say('cancel')}
            </button>
            <button
              type="button"
              disabled={app.conversation.writing.value !== null}
              onClick={() => work.run(() => take(found, true))}
            >
              {say('importAll')}
            </button>
            <button
              type="button"
              class="primary"
              onClick={() => work.run(() => take(found, false))}
            >
              {say('importChats')}
            </button>
          </div>
        </div>
      )}
      {isDeleting && (
        <div class="card" role="alert">
          <p>{say('deleteAllSure')}</p>
          <div class="row">
            <button type="button" onClick={() => setDeleting(false)}>
              {say('keep')}
            </button>
            <button type="button" class="danger" onClick={() => void deleteEverything(app)}>
              {say('deleteAllYes')}
            </button>
          </div>
        </div>
      )}
    </>
  )
}

/** Whoever wrote the file could have it pay somewhere else: what it says is seen before it holds. */
function Found({ found: { preferences, settings } }: { found: Portable }) {
  const { chain, ceilings, friends, relays } = settings
  const none = '–'
  const units = (amount: bigint | null | undefined) => (amount == null ? none : sayUnits(amount))
  const rows: [string, string][] = [
    [say('language'), preferences.language ?? language.value],
    [say('systemPrompt'), preferences.system || none],
    [say('chainRpc'), chain === null ? none : [chain.rpc].flat().join(' ')],
    [say('chainId'), chain === null ? none : String(chain.chainId)],
    [say('chainHouse'), chain?.house ?? none],
    [say('chainToken'), chain?.token ?? none],
    [say('perRequest'), units(ceilings?.perRequest)],
    [say('perDay'), units(ceilings?.perDay)],
    [say('scopeFriends'), friends.join(' ') || none],
    [say('relays'), relays.join(' ') || none],
  ]
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd dir="auto">{value}</dd>
        </Fragment>
      ))}
    </dl>
  )
}
