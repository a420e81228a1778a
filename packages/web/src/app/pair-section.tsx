import { fromHex } from '@freehold/core/bytes'
import type { PairRecord } from '@freehold/core/device/pair-book'
import { isPairLink } from '@freehold/core/device/pair-link'
import type { PairQuestion } from '@freehold/core/device/pairing'
import { peerName } from '@freehold/core/identity/peer-name'
import { useEffect, useRef, useState } from 'preact/hooks'
import { pairDevice } from '../member/pair-device.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { CodeScanner } from './code-scanner.tsx'
import { Problem } from './problem.tsx'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

/** Over plain http from another machine a page has none. */
const HAS_CAMERAS = navigator.mediaDevices !== undefined

interface Asked extends PairQuestion {
  answer: (areSame: boolean) => void
}

/** The owner's other devices, and how one more becomes known. */
export function PairSection({ app }: { app: App }) {
  const { member, pairLink } = app
  const [devices, setDevices] = useState<PairRecord[]>([])
  const [name, setName] = useState('')
  const [asked, setAsked] = useState<Asked | null>(null)
  const [done, setDone] = useState('')
  const [isScanning, setScanning] = useState(false)
  const work = useWork()
  const look = () =>
    member.use(async (device) => {
      const found = await device.pairs.list()
      setDevices(found.filter(({ isRemoved }) => !isRemoved))
    })
  const form = useRef<HTMLFormElement>(null)
  const hasLink = pairLink.value !== ''
  useEffect(() => work.run(look), [])
  useEffect(() => {
    if (hasLink) form.current?.scrollIntoView()
  }, [hasLink])

  const confirm = (question: PairQuestion, { signal }: { signal: AbortSignal }) =>
    new Promise<boolean>((resolve, reject) => {
      const end = (settle: () => void) => {
        setAsked(null)
        settle()
      }
      signal.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true })
      setAsked({ ...question, answer: (areSame) => end(() => resolve(areSame)) })
    })
  const pair = async () => {
    setDone('')
    const link = pairLink.value
    // A code is good for one try.
    pairLink.value = ''
    const called = name.trim() || say('otherDevice')
    const paired = await pairDevice(member, { link, name: called, confirm })
    setName('')
    setDone(say(paired.isMutual ? 'paired' : 'pairedHere', { name: paired.name }))
    await look()
  }
  const scanned = (text: string) => {
    if (!isPairLink(text)) return false
    pairLink.value = text
    setScanning(false)
    return true
  }
  const remove = async ({ device: key }: PairRecord) => {
    await member.use((device) => device.pairs.remove(key))
    await member.change({})
    await look()
  }
  return (
    <>
      <h3>{say('ownDevices')}</h3>
      <p class="muted">{say('pairNote')}</p>
      {devices.length > 0 && (
        <ul class="cards">
          {devices.map((record) => (
            <li key={record.device} class="card">
              <h4 dir="auto">{record.name}</h4>
              <p>
                <code>{peerName(fromHex(record.device))}</code>
              </p>
              <div class="row">
                <button
                  type="button"
                  disabled={work.isRunning}
                  aria-label={say('unpairNamed', { name: record.name })}
                  onClick={() => work.run(() => remove(record))}
                >
                  {say('unpair')}
                </button>
              </div>
            </li>
          ))}
        </ul>
      )}
      <form
        ref={form}
        onSubmit={(event) => {
          event.preventDefault()
          work.run(pair)
        }}
      >
        <div class="fields">
          <TextField
            label={say('pairLink')}
            hint={say('pairLinkHint')}
            value={pairLink.value}
            onValue={(link) => {
              pairLink.value = link
            }}
            isRequired
            isWide
          />
          <TextField
            label={say('pairName')}
            hint={say('pairNameHint')}
            value={name}
            onValue={setName}
          />
        </div>
        <div class="row">
          <button type="submit" disabled={work.isRunning}>
            {say('pair')}
          </button>
          {HAS_CAMERAS && !isScanning && (
            <button type="button" disabled={work.isRunning} onClick={() => setScanning(true)}>
              {say('scanCode')}
            </button>
          )}
        </div>
      </form>
      {isScanning && <CodeScanner onText={scanned} onCancel={() => setScanning(false)} />}
      {asked !== null && <Words asked={asked} />}
      {asked === null && work.isRunning && <p role="status">{say('asking')}</p>}
      {done !== '' && <p role="status">{done}</p>}
      <Problem text={work.problem} />
    </>
  )
}

function Words({ asked: { words, as, answer } }: { asked: Asked }) {
  return (
    <div class="card" role="alert">
      <p>{say(as === 'own' ? 'pairWordsOwn' : 'pairWordsFriend')}</p>
      <p class="pair-words" translate={false} lang="en">
        {words.join(' · ')}
      </p>
      <div class="row">
        <button type="button" onClick={() => answer(false)}>
          {say('wordsDiffer')}
        </button>
        <button type="button" class="primary" onClick={() => answer(true)}>
          {say('wordsSame')}
        </button>
      </div>
    </div>
  )
}
