import { Fragment } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Form } from '../app/form.tsx'
import { Problem } from '../app/problem.tsx'
import { TextField } from '../app/text-field.tsx'
import { useWork } from '../app/use-work.ts'
import { say, sayUnits } from '../words/words.ts'
import {
  type DeviceOverview,
  type DeviceSetting,
  type Doctor,
  keepToken,
  readDoctor,
  readOverview,
  readSettings,
  setLending,
  TokenError,
} from './device-client.ts'
import { DeviceFigures } from './device-figures.tsx'
import { DeviceModels } from './device-models.tsx'
import { Ladder } from './ladder.tsx'

/** The device that serves this page: its models, lending, neighbours, ledger and health. */
export function DashboardView() {
  const [overview, setOverview] = useState<DeviceOverview | null>(null)
  const [isLocked, setLocked] = useState(false)
  const work = useWork()
  const look = async () => {
    try {
      setOverview(await readOverview())
      setLocked(false)
    } catch (error) {
      setLocked(error instanceof TokenError)
      throw error
    }
  }
  useEffect(() => work.run(look), [])
  const turn = (isOn: boolean) =>
    work.run(async () => {
      await setLending(isOn)
      await look()
    })
  return (
    <section class="page">
      <h2>{say('dashboard')}</h2>
      <p class="muted">{say('dashboardNote')}</p>
      <Problem text={work.problem} />
      {isLocked && <TokenForm onToken={() => work.run(look)} />}
      {overview !== null && (
        <>
          <dl class="facts">
            <dt>{say('version')}</dt>
            <dd>{overview.version}</dd>
            <dt>{say('peerId')}</dt>
            <dd>
              {overview.device === null ? say('noKeysThere') : <code>{overview.device}</code>}
            </dd>
            {overview.account !== null && (
              <>
                <dt>{say('account')}</dt>
                <dd>
                  <code>{overview.account}</code>
                </dd>
              </>
            )}
          </dl>
          <DeviceModels />
          <Lending overview={overview} isBusy={work.isRunning} onTurn={turn} />
          <h3>{say('neighbours')}</h3>
          <Ladder peers={overview.peers} />
          <DeviceFigures ledger={overview.ledger} />
          <Health />
          <Settings />
        </>
      )}
    </section>
  )
}

function TokenForm({ onToken }: { onToken: () => void }) {
  const [token, setToken] = useState('')
  return (
    <Form
      onSubmit={() => {
        keepToken(token)
        onToken()
      }}
    >
      <div class="fields">
        <TextField
          label={say('apiToken')}
          hint={say('apiTokenHint')}
          value={token}
          onValue={setToken}
          isSecret
          isRequired
        />
      </div>
      <div class="row">
        <button type="submit" class="primary">
          {say('unlock')}
        </button>
      </div>
    </Form>
  )
}

interface LendingProps {
  overview: DeviceOverview
  isBusy: boolean
  onTurn: (isOn: boolean) => void
}

function Lending({ overview: { lending, ledger }, isBusy, onTurn }: LendingProps) {
  const { isOn, running } = lending
  return (
    <>
      <h3>{say('lending')}</h3>
      {running.length === 0 ? (
        <p class="muted">{say('nobodyLendsHere')}</p>
      ) : (
        <label class="check">
          <input
            type="checkbox"
            checked={isOn}
            disabled={isBusy}
            onChange={({ currentTarget }) => onTurn(currentTarget.checked)}
          />
          {say('lendingOn')}
        </label>
      )}
      <ul class="cards">
        {running.map(({ pid, models, addresses, why }) => (
          <li key={pid} class="card lending">
            <p>
              {models.join(', ')} ·{' '}
              {why === null ? say('lendingNow') : say('restingBecause', { why })}
            </p>
            <ul class="plain">
              {addresses.map((address) => (
                <li key={address}>
                  <code>{address}</code>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
      <dl class="facts">
        <dt>{say('answersLent')}</dt>
        <dd>{ledger.lent.answers}</dd>
        <dt>{say('tokens')}</dt>
        <dd>{ledger.lent.tokens}</dd>
        <dt>{say('earned')}</dt>
        <dd>{sayUnits(BigInt(ledger.earns.answers))}</dd>
      </dl>
    </>
  )
}

const STATUSES = { ok: 'checkOk', failed: 'checkFailed', 'not checked': 'checkNone' } as const

function Health() {
  const [doctor, setDoctor] = useState<Doctor | null>(null)
  const work = useWork()
  return (
    <>
      <h3>{say('doctor')}</h3>
      <p class="muted">{say('doctorNote')}</p>
      <div class="row">
        <button
          type="button"
          disabled={work.isRunning}
          onClick={() => work.run(async () => setDoctor(await readDoctor()))}
        >
          {say('checkNow')}
        </button>
        {work.isRunning && <p role="status">{say('checking')}</p>}
      </div>
      <Problem text={work.problem} />
      {doctor !== null && (
        <>
          <ul class="plain checks">
            {doctor.checks.map(({ name, status, says }) => (
              <li key={name} class={status === 'failed' ? 'problem' : undefined}>
                <b>{name}</b>: {say(STATUSES[status])}
                {says !== '' && ` · ${says}`}
              </li>
            ))}
          </ul>
          <ul class="cards">
            {doctor.central.map(({ name, inUse, without }) => (
              <li key={name} class="card">
                <p>
                  <b>{name}</b>: {inUse.join(', ') || say('none')}
                </p>
                <p class="muted">{say('withoutIt', { without })}</p>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  )
}

function Settings() {
  const [rows, setRows] = useState<DeviceSetting[] | null>(null)
  const work = useWork()
  return (
    <details onToggle={() => rows === null && work.run(async () => setRows(await readSettings()))}>
      <summary>{say('deviceSettings')}</summary>
      <Problem text={work.problem} />
      <dl class="facts">
        {rows?.map(({ name, value, origin }) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>
              <code>{typeof value === 'string' ? value : JSON.stringify(value)}</code>{' '}
              <small>{origin}</small>
            </dd>
          </Fragment>
        ))}
      </dl>
    </details>
  )
}
