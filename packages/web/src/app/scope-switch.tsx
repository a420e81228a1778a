import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Icon } from './icon.tsx'
import { hrefOf } from './route.ts'
import { RUNGS } from './rungs.ts'

const FARTHER = ['own', 'friends', 'market'] as const

/** How far the next message may travel. What takes keys can be chosen while they are unlocked. */
export function ScopeSwitch({ app }: { app: App }) {
  const scope = app.scope.value
  const keys = app.member.keyRing.state.value
  const isOff = keys !== 'open'
  return (
    <details class="popover scope" name="popover">
      <summary>
        <Icon name={scope === 'device' ? 'device' : 'people'} />
        <span>
          {scope === 'device' ? say('staysHere') : say('mayLeave', { scope: say(RUNGS[scope]) })}
        </span>
      </summary>
      <fieldset>
        <legend>{say('scope')}</legend>
        <label>
          <input
            type="radio"
            name="scope"
            checked={scope === 'device'}
            onChange={() => (app.scope.value = 'device')}
          />
          <span>
            {say('scopeDevice')}
            <small>{say('scopeDeviceNote')}</small>
          </span>
        </label>
        {FARTHER.map((farther) => (
          <label key={farther}>
            <input
              type="radio"
              name="scope"
              value={farther}
              checked={scope === farther}
              disabled={isOff}
              aria-describedby="scope-note"
              onChange={() => (app.scope.value = farther)}
            />
            <span>{say(RUNGS[farther])}</span>
          </label>
        ))}
        <p id="scope-note">
          {say(isOff ? (keys === 'none' ? 'scopeNoKeys' : 'scopeLocked') : 'scopeAsks')}{' '}
          {isOff && <a href={hrefOf({ view: 'wallet' })}>{say('wallet')}</a>}
        </p>
      </fieldset>
    </details>
  )
}
