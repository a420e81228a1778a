import type { Kind } from '@freehold/core/routing/detect/finding'
import { useEffect, useRef, useState } from 'preact/hooks'
import { sentenceOf } from '../chats/conversation.ts'
import { type Departing, lookAtDeparture } from '../member/departing.ts'
import { unitsOf } from '../member/member-settings.ts'
import { say, sayUnits } from '../words/words.ts'
import type { App, Departure } from './app-state.ts'
import { Form } from './form.tsx'
import { Problem } from './problem.tsx'
import { hrefOf } from './route.ts'
import { countsText, RUNGS } from './rungs.ts'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

/** What would leave, and to whom: shown before it does. */
export function DepartureDialog({ app }: { app: App }) {
  const departure = app.departure.value
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  if (departure === null) return null
  return (
    <dialog
      ref={dialog}
      class="departure"
      aria-labelledby="departure-title"
      onKeyDown={(event) => event.key === 'Escape' && event.stopPropagation()}
      onClose={() => {
        app.departure.value = null
      }}
    >
      <h2 id="departure-title">{say('departure')}</h2>
      <Question app={app} departure={departure} onDone={() => dialog.current?.close()} />
    </dialog>
  )
}

interface QuestionProps {
  app: App
  departure: Departure
  onDone: () => void
}

function Question({ app, departure: { messages, scope, go }, onDone }: QuestionProps) {
  const { member } = app
  const { ceilings } = member.settings.value
  const [model, setModel] = useState(app.model.value)
  const [lender, setLender] = useState('')
  const [send, setSend] = useState<readonly Kind[]>([])
  const [found, setFound] = useState<Departing | null>(null)
  const [problem, setProblem] = useState('')
  const [perRequest, setPerRequest] = useState('')
  const [perDay, setPerDay] = useState('')
  const work = useWork()

  useEffect(() => {
    let isMeant = true
    const look = async () => {
      setProblem('')
      setFound(null)
      const next = await member.use((device) =>
        lookAtDeparture(device, messages, { scope, model, send, ceilings }),
      )
      if (isMeant) setFound(next)
    }
    look().catch((error: unknown) => isMeant && setProblem(sentenceOf(error)))
    return () => {
      isMeant = false
    }
  }, [model, send, ceilings])

  const meant = found?.lenders.filter(({ device }) => lender === '' || device === lender) ?? []
  const mustSay = ceilings === null && meant.some(({ isPaid }) => isPaid)
  const leave = async () => {
    if (mustSay) {
      const said = { perRequest: unitsOf(perRequest), perDay: unitsOf(perDay) }
      if (said.perRequest === null || said.perDay === null) throw new Error(say('ceilingsMissing'))
      await member.change({ ceilings: said })
    }
    onDone()
    const agreed = member.settings.value.ceilings
    go({ scope, model, lender: lender || null, send, ceilings: agreed })
  }
  const stay = () => {
    onDone()
    go(null)
  }
  const isWriting = app.conversation.writing.value !== null
  return (
    <Form onSubmit={() => work.run(leave)}>
      <p>{say('departureNote', { scope: say(RUNGS[scope]) })}</p>
      <div class="fields">
        <label>
          {say('modelToBorrow')}
          <select value={model} onChange={({ currentTarget }) => setModel(currentTarget.value)}>
            {modelsOf(app, found).map(({ modelId, name }) => (
              <option key={modelId} value={modelId}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {say('whomToAsk')}
          <select value={lender} onChange={({ currentTarget }) => setLender(currentTarget.value)}>
            <option value="">{say('whoeverIsBest')}</option>
            {found?.lenders.map(({ device, peer }) => (
              <option key={device} value={device}>
                {peer}
              </option>
            ))}
          </select>
        </label>
      </div>
      {found === null && problem === '' && <p role="status">{say('asking')}</p>}
      <Problem text={problem} />
      {found !== null && (
        <>
          <h3>{say('toWhom')}</h3>
          {meant.length === 0 && (
            <p class="problem" role="alert">
              {say('nobodyLends')} <a href={hrefOf({ view: 'lenders' })}>{say('lenders')}</a>
            </p>
          )}
          <ul class="plain">
            {meant.map(({ device, peer, rung, isPaid, atMost }) => (
              <li key={device}>
                <code>{peer}</code> · {say(RUNGS[rung])} ·{' '}
                {isPaid ? say('atMost', { units: sayUnits(atMost) }) : say('priceFree')}
              </li>
            ))}
            {found.barred.map((why) => (
              <li key={why} class="muted">
                {why}
              </li>
            ))}
          </ul>
          <h3>{say('whatLeaves')}</h3>
          {found.blocked === null ? (
            <Leaving found={found} />
          ) : (
            <Blocked blocked={found.blocked} send={send} onSend={setSend} />
          )}
        </>
      )}
      {mustSay && (
        <fieldset class="fields">
          <legend>{say('ceilings')}</legend>
          <p class="wide">{say('ceilingsAsk')}</p>
          <TextField
            label={say('perRequest')}
            value={perRequest}
            onValue={setPerRequest}
            isRequired
          />
          <TextField label={say('perDay')} value={perDay} onValue={setPerDay} isRequired />
        </fieldset>
      )}
      <Problem text={work.problem} />
      <div class="row">
        <button type="button" onClick={onDone}>
          {say('cancel')}
        </button>
        <button type="button" disabled={isWriting} onClick={stay}>
          {say('answerHere')}
        </button>
        <button
          type="submit"
          class="primary"
          disabled={isWriting || work.isRunning || meant.length === 0 || found?.blocked !== null}
        >
          {say('letLeave')}
        </button>
      </div>
    </Form>
  )
}

/** The model of this tab, and what others offer. */
function modelsOf(app: App, found: Departing | null) {
  const own = app.space.models.value.map(({ sha256, name }) => ({ modelId: sha256, name }))
  const others = found?.models ?? []
  return [...own, ...others.filter(({ modelId }) => !own.some((one) => one.modelId === modelId))]
}

function Leaving({ found: { messages, redacted } }: { found: Departing }) {
  const counts = countsText(redacted)
  return (
    <>
      {counts !== '' && <p>{say('replacedBefore', { counts })}</p>}
      <ol class="leaving">
        {messages.map(({ role, content }, i) => (
          <li key={`${i}-${role}`}>
            <b>{say(ROLES[role])}</b>
            <p class="leaving-text" dir="auto">
              {content}
            </p>
          </li>
        ))}
      </ol>
    </>
  )
}

const ROLES = { system: 'systemPrompt', user: 'you', assistant: 'answer' } as const

interface BlockedProps {
  blocked: NonNullable<Departing['blocked']>
  send: readonly Kind[]
  onSend: (send: readonly Kind[]) => void
}

function Blocked({ blocked: { why, kinds }, send, onSend }: BlockedProps) {
  return (
    <div role="alert">
      <p class="problem">{why}</p>
      <p>{say('blockedNote')}</p>
      <div class="row">
        {kinds.map((kind) => (
          <button key={kind} type="button" onClick={() => onSend([...send, kind])}>
            {say('sendKind', { kind })}
          </button>
        ))}
      </div>
    </div>
  )
}
