import { useState } from 'preact/hooks'
import { type LendSettings, relaysOf } from '../member/member-settings.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Form } from './form.tsx'
import { Problem } from './problem.tsx'
import { RUNGS } from './rungs.ts'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

const FIRST: LendSettings = { to: 'own', onlyCharging: true, price: 1_000_000 }

/** Whether this tab answers for other devices, and for whose. */
export function LendingSection({ app }: { app: App }) {
  const { member, lending } = app
  const { lend, relays } = member.settings.value
  const [wanted, setWanted] = useState(lend ?? FIRST)
  const [price, setPrice] = useState(String(wanted.price))
  const [where, setWhere] = useState(relays.join(' '))
  const work = useWork()
  const start = async () => {
    if (!/^\d{1,15}$/.test(price)) throw new Error(say('noAmount', { text: price }))
    await member.change({ lend: { ...wanted, price: Number(price) }, relays: relaysOf(where) })
  }
  const stop = () => member.change({ lend: null })
  // The device is closed for a moment.
  const isBusy = work.isRunning || app.conversation.writing.value !== null
  return (
    <>
      <h3>{say('lendHere')}</h3>
      <p class="muted">{say('lendHereNote')}</p>
      <Form onSubmit={() => work.run(start)}>
        <div class="fields">
          <label>
            {say('lendTo')}
            <select
              value={wanted.to}
              onChange={({ currentTarget }) =>
                setWanted({ ...wanted, to: currentTarget.value as LendSettings['to'] })
              }
            >
              {Object.entries(RUNGS).map(([rung, words]) => (
                <option key={rung} value={rung}>
                  {say(words)}
                </option>
              ))}
            </select>
          </label>
          {wanted.to === 'market' && (
            <TextField
              label={say('lendPrice')}
              hint={say('lendPriceHint')}
              value={price}
              onValue={setPrice}
              isRequired
            />
          )}
          <TextField
            label={say('relays')}
            hint={say('relaysHint')}
            value={where}
            onValue={setWhere}
            isWide
          />
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={wanted.onlyCharging}
            onChange={({ currentTarget }) =>
              setWanted({ ...wanted, onlyCharging: currentTarget.checked })
            }
          />
          {say('lendCharging')}
        </label>
        <div class="row">
          {lend !== null && (
            <button type="button" disabled={isBusy} onClick={() => work.run(stop)}>
              {say('lendStop')}
            </button>
          )}
          <button type="submit" disabled={isBusy}>
            {say(lend === null ? 'lendStart' : 'save')}
          </button>
        </div>
      </Form>
      <p role="status" class="lend-state">
        {stateOf(app)}
      </p>
      {lending.value.is === 'on' && lending.value.addresses.length > 0 && (
        <ul class="plain">
          {lending.value.addresses.map((address) => (
            <li key={address}>
              <code>{address}</code>
            </li>
          ))}
        </ul>
      )}
      <Problem text={work.problem} />
    </>
  )
}

function stateOf({ lending, member }: App): string {
  const state = lending.value
  if (state.is === 'off') return member.settings.value.lend === null ? '' : say('lendingLater')
  if (state.is === 'on') return say('lendsNow')
  return say(state.is === 'waiting' ? 'lendingWaits' : 'lendingFailed', { why: state.why })
}
