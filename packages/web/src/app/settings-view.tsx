import { LANGUAGES, language, say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { prefer, preferences } from './preferences.ts'
import { ShortcutList } from './shortcuts.tsx'
import { YourDataSection } from './your-data-section.tsx'

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
      <YourDataSection app={app} />
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
