import { say } from '../words/words.ts'
import { Icon } from './icon.tsx'

/** What would take keys and a wallet, which this app does not have yet. */
const FARTHER = ['scopeOwn', 'scopeFriends', 'scopeMarket'] as const

/** How far the next message may travel, and what else there will be. */
export function ScopeSwitch() {
  return (
    <details class="popover scope" name="popover">
      <summary>
        <Icon name="device" />
        <span>{say('staysHere')}</span>
      </summary>
      <fieldset>
        <legend>{say('scope')}</legend>
        <label>
          <input type="radio" name="scope" checked />
          <span>
            {say('scopeDevice')}
            <small>{say('scopeDeviceNote')}</small>
          </span>
        </label>
        {FARTHER.map((scope) => (
          <label key={scope}>
            <input type="radio" name="scope" disabled aria-describedby="scope-not-yet" />
            <span>{say(scope)}</span>
          </label>
        ))}
        <p id="scope-not-yet">{say('scopeNotYet')}</p>
      </fieldset>
    </details>
  )
}
