import { useRef, useState } from 'preact/hooks'
import { sentenceOf } from '../chats/conversation.ts'
import { exportChats, importChats } from '../chats/portable-chats.ts'
import { LANGUAGES, language, say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { deleteEverything } from './delete-everything.ts'
import { prefer, preferences } from './preferences.ts'
import { saveFile } from './save-file.ts'
import { ShortcutList } from './shortcuts.tsx'

const THEMES = { auto: 'themeAuto', light: 'themeLight', dark: 'themeDark' } as const

/** What a person can choose, and what they can take along. */
export function SettingsView({ app }: { app: App }) {
  const { theme, system, shortcuts } = preferences.value
  return (
    <section class="page">
      <h2>{say('settings')}</h2>
      <div class="fields">
        <label>
          {say('language')}
          <select
            value={language.value}
            onChange={({ currentTarget }) => prefer({ language: currentTarget.value })}
          >
            {Object.entries(LANGUAGES).map(([tag, name]) => (
              <option key={tag} value={tag} lang={tag}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {say('theme')}
          <select
            value={theme}
            onChange={({ currentTarget }) =>
              prefer({ theme: currentTarget.value as keyof typeof THEMES })
            }
          >
            {Object.entries(THEMES).map(([value, label]) => (
              <option key={value} value={value}>
                {say(label)}
              </option>
            ))}
          </select>
        </label>
        <label class="wide">
          {say('systemPrompt')}
          <small>{say('systemPromptHint')}</small>
          <textarea
            rows={3}
            dir="auto"
            value={system}
            onInput={({ currentTarget }) => prefer({ system: currentTarget.value })}
          />
        </label>
      </div>
      <YourData app={app} />
      <h3>{say('shortcuts')}</h3>
      <label class="check">
        <input
          type="checkbox"
          checked={shortcuts}
          onChange={({ currentTarget }) => prefer({ shortcuts: currentTarget.checked })}
        />
        {say('shortcutsOn')}
      </label>
      <ShortcutList />
    </section>
  )
}

function YourData({ app }: { app: App }) {
  const [isAsking, setAsking] = useState(false)
  const [problem, setProblem] = useState('')
  const picker = useRef<HTMLInputElement>(null)
  const save = () => {
    const text = exportChats([...app.book.chats.value.values()])
    saveFile('freehold-chats', 'json', 'application/json', text)
  }
  const load = async (file: File) => {
    setProblem('')
    try {
      const chats = importChats(await file.text())
      for (const chat of chats) app.book.put(chat)
      await app.book.flush()
      app.notice.value = { text: say('imported', { count: chats.length }) }
    } catch (error) {
      setProblem(sentenceOf(error))
    }
  }
  return (
    <>
      <h3>{say('yourData')}</h3>
      <div class="row">
        <button type="button" onClick={save}>
          {say('exportAll')}
        </button>
        <button type="button" onClick={() => picker.current?.click()}>
          {say('importChats')}
        </button>
        <button type="button" onClick={() => setAsking(true)}>
          {say('deleteAll')}
        </button>
      </div>
      <input
        ref={picker}
        type="file"
        accept="application/json,.json"
        hidden
        aria-label={say('importChats')}
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? []
          if (file !== undefined) void load(file)
          currentTarget.value = ''
        }}
      />
      {problem !== '' && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {isAsking && (
        <div class="card" role="alert">
          <p>{say('deleteAllSure')}</p>
          <div class="row">
            <button type="button" onClick={() => setAsking(false)}>
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
