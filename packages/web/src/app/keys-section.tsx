import { systemRandom } from '@freehold/core/platform'
import { useState } from 'preact/hooks'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Form } from './form.tsx'
import { Problem } from './problem.tsx'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

/** Shorter ones are guessed too soon by who has the disk. */
const LEAST_PASSPHRASE = 10
const LAST_INDEX = 0xffff
/** Words of a new phrase that the person types again, from 1. */
const ASKED_WORDS = [3, 11, 20]

/** Making, entering, unlocking and forgetting the owner's phrase. */
export function KeysSection({ app }: { app: App }) {
  const { state } = app.member.keyRing
  return (
    <>
      <h3>{say('keys')}</h3>
      {state.value === 'none' && <NoKeys app={app} />}
      {state.value === 'locked' && <Locked app={app} />}
      {state.value === 'open' && <Unlocked app={app} />}
      {state.value !== 'none' && <Forget app={app} />}
    </>
  )
}

function NoKeys({ app }: { app: App }) {
  const [way, setWay] = useState<'new' | 'own' | null>(null)
  const [phrase, setPhrase] = useState('')
  const work = useWork()
  const create = async () => {
    const { createPhrase } = await import('@freehold/core/identity/phrase')
    setPhrase(createPhrase(systemRandom))
    setWay('new')
  }
  if (way === 'new') return <NewPhrase app={app} phrase={phrase} onBack={() => setWay(null)} />
  if (way === 'own') return <OwnPhrase app={app} onBack={() => setWay(null)} />
  return (
    <>
      <p>{say('keysNone')}</p>
      <Problem text={work.problem} />
      <div class="row">
        <button type="button" class="primary" onClick={() => work.run(create)}>
          {say('phraseCreate')}
        </button>
        <button type="button" onClick={() => setWay('own')}>
          {say('phraseEnter')}
        </button>
      </div>
    </>
  )
}

/** Shown once; the person proves that it is written down before anything is kept. */
function NewPhrase({ app, phrase, onBack }: { app: App; phrase: string; onBack: () => void }) {
  const [isWritten, setWritten] = useState(false)
  const [typed, setTyped] = useState<Record<number, string>>({})
  const words = phrase.split(' ')
  const check = () => {
    const isRight = (at: number) => typed[at]?.trim().toLowerCase() === words[at - 1]
    if (!ASKED_WORDS.every(isRight)) throw new Error(say('phraseNotThese'))
  }
  if (!isWritten) {
    return (
      <>
        <p>{say('phraseWriteDown')}</p>
        <ol class="phrase" translate={false}>
          {words.map((word, i) => (
            // Words may come twice.
            <li key={`${i}-${word}`}>{word}</li>
          ))}
        </ol>
        <div class="row">
          <button type="button" onClick={onBack}>
            {say('cancel')}
          </button>
          <button type="button" class="primary" onClick={() => setWritten(true)}>
            {say('phraseWritten')}
          </button>
        </div>
      </>
    )
  }
  return (
    <KeepForm app={app} phrase={phrase} index="0" check={check} onBack={onBack}>
      {ASKED_WORDS.map((at) => (
        <TextField
          key={at}
          label={say('phraseWord', { number: at })}
          value={typed[at] ?? ''}
          isRequired
          onValue={(value) => setTyped({ ...typed, [at]: value })}
        />
      ))}
    </KeepForm>
  )
}

function OwnPhrase({ app, onBack }: { app: App; onBack: () => void }) {
  const [phrase, setPhrase] = useState('')
  return (
    <KeepForm app={app} phrase={phrase} index="" onBack={onBack}>
      <label class="wide">
        {say('phrase')}
        <textarea
          rows={3}
          value={phrase}
          required
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          onInput={({ currentTarget }) => setPhrase(currentTarget.value)}
        />
      </label>
    </KeepForm>
  )
}

interface KeepFormProps {
  app: App
  phrase: string
  index: string
  /** @throws Error when the phrase should not be kept yet */
  check?: () => void
  onBack: () => void
  children: preact.ComponentChildren
}

function KeepForm({ app, phrase, check, onBack, children, ...init }: KeepFormProps) {
  const [index, setIndex] = useState(init.index)
  const [passphrase, setPassphrase] = useState('')
  const [again, setAgain] = useState('')
  const work = useWork()
  const keep = async () => {
    check?.()
    if (passphrase.length < LEAST_PASSPHRASE) {
      throw new Error(say('passphraseShort', { count: LEAST_PASSPHRASE }))
    }
    if (passphrase !== again) throw new Error(say('passphraseOther'))
    const deviceIndex = Number(index)
    if (!/^\d{1,5}$/.test(index) || deviceIndex > LAST_INDEX) throw new Error(say('deviceIndexBad'))
    await app.member.changeKeys((keyRing) => keyRing.keep({ phrase, deviceIndex }, passphrase))
  }
  return (
    <Form onSubmit={() => work.run(keep)}>
      <div class="fields">
        {children}
        <TextField
          label={say('deviceIndex')}
          hint={say('deviceIndexHint')}
          value={index}
          onValue={setIndex}
          isWide
          isRequired
        />
        <TextField
          label={say('passphraseNew')}
          hint={say('passphraseHint')}
          isSecret
          autocomplete="new-password"
          value={passphrase}
          onValue={setPassphrase}
          isRequired
          isWide
        />
        <TextField
          label={say('passphraseAgain')}
          isSecret
          autocomplete="new-password"
          value={again}
          onValue={setAgain}
          isRequired
          isWide
        />
      </div>
      <Problem text={work.problem} />
      {work.isRunning && <p role="status">{say('sealing')}</p>}
      <div class="row">
        <button type="button" onClick={onBack}>
          {say('cancel')}
        </button>
        <button type="submit" class="primary" disabled={work.isRunning}>
          {say('keysKeep')}
        </button>
      </div>
    </Form>
  )
}

function Locked({ app }: { app: App }) {
  const [passphrase, setPassphrase] = useState('')
  const work = useWork()
  return (
    <Form
      onSubmit={() =>
        work.run(() => app.member.changeKeys((keyRing) => keyRing.unlock(passphrase)))
      }
    >
      <p>{say('keysLocked')}</p>
      <div class="fields">
        <TextField
          label={say('passphrase')}
          isSecret
          autocomplete="current-password"
          value={passphrase}
          onValue={setPassphrase}
          isRequired
          isWide
        />
      </div>
      <Problem text={work.problem} />
      {work.isRunning && <p role="status">{say('unlocking')}</p>}
      <div class="row">
        <button
          type="submit"
          class="primary"
          disabled={work.isRunning || app.conversation.writing.value !== null}
        >
          {say('unlock')}
        </button>
      </div>
    </Form>
  )
}

function Unlocked({ app }: { app: App }) {
  const work = useWork()
  const lock = () => {
    app.scope.value = 'device'
    return app.member.changeKeys(async (keyRing) => keyRing.lock())
  }
  return (
    <>
      <p>{say('keysOpen', { index: app.member.keyRing.keys()?.deviceIndex ?? 0 })}</p>
      <Problem text={work.problem} />
      <div class="row">
        <button
          type="button"
          disabled={work.isRunning || app.conversation.writing.value !== null}
          onClick={() => work.run(lock)}
        >
          {say('lock')}
        </button>
      </div>
    </>
  )
}

function Forget({ app }: { app: App }) {
  const [isAsking, setAsking] = useState(false)
  const work = useWork()
  const forget = () => {
    app.scope.value = 'device'
    return app.member.changeKeys((keyRing) => keyRing.forget())
  }
  if (!isAsking) {
    return (
      <div class="row">
        <button type="button" onClick={() => setAsking(true)}>
          {say('keysForget')}
        </button>
      </div>
    )
  }
  return (
    <div class="card" role="alert">
      <p>{say('keysForgetSure')}</p>
      <Problem text={work.problem} />
      <div class="row">
        <button type="button" onClick={() => setAsking(false)}>
          {say('keep')}
        </button>
        <button
          type="button"
          class="danger"
          disabled={work.isRunning || app.conversation.writing.value !== null}
          onClick={() => work.run(forget)}
        >
          {say('keysForgetYes')}
        </button>
      </div>
    </div>
  )
}
