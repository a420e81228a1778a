import { render } from 'preact'
import { sentenceOf } from '../chats/conversation.ts'
import { say } from '../words/words.ts'
import { openApp } from './app-state.ts'
import './app.css'
import { readPreferences } from './preferences.ts'
import { Shell } from './shell.tsx'

const root = document.getElementById('app')
if (root !== null) {
  readPreferences()
  openApp().then(
    (app) => {
      render(<Shell app={app} />, root)
      // How long that took: `npm run bench -- web`.
      performance.mark('app-shown')
    },
    (error: unknown) =>
      render(
        <p class="fatal" role="alert">
          {say('problem')}: {sentenceOf(error)}
        </p>,
        root,
      ),
  )
}
