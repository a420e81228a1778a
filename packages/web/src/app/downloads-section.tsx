import { useState } from 'preact/hooks'
import type { Download } from '../models/downloads.ts'
import { say, saySize } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Form } from './form.tsx'
import { Problem } from './problem.tsx'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

/** Models from addresses that the person gives, and what is on its way. */
export function DownloadsSection({ app }: { app: App }) {
  const [address, setAddress] = useState('')
  const [digest, setDigest] = useState('')
  const work = useWork()
  const { downloads, member, conversation } = app
  const want = async () => {
    await downloads.want(address, digest)
    setAddress('')
    setDigest('')
    // Another host takes a page that may ask it: that one begins.
    if (!member.reseal()) void downloads.go()
  }
  return (
    <>
      <h3>{say('downloads')}</h3>
      <p class="muted">{say('downloadsNote')}</p>
      {downloads.all.value.length > 0 && (
        <ul class="cards">
          {downloads.all.value.map((one) => (
            <DownloadCard key={one.url} app={app} download={one} />
          ))}
        </ul>
      )}
      <Form onSubmit={() => work.run(want)}>
        <div class="fields">
          <TextField
            label={say('modelAddress')}
            hint={say('modelAddressHint')}
            value={address}
            onValue={setAddress}
            isWide
            isRequired
          />
          <TextField
            label={say('modelDigest')}
            hint={say('modelDigestHint')}
            value={digest}
            onValue={setDigest}
            isWide
          />
        </div>
        <Problem text={work.problem} />
        <div class="row">
          <button type="submit" disabled={work.isRunning || conversation.writing.value !== null}>
            {say('downloadModel')}
          </button>
        </div>
      </Form>
    </>
  )
}

const STATES = {
  waiting: 'downloadWaiting',
  running: 'downloadRunning',
  checking: 'downloadChecking',
  stopped: 'downloadStopped',
} as const

function DownloadCard({ app, download }: { app: App; download: Download }) {
  const { url, name, doneBytes, sizeBytes, state, problem, warning } = download
  const { downloads } = app
  const amount =
    sizeBytes === null
      ? saySize(doneBytes)
      : say('downloadOf', { done: saySize(doneBytes), size: saySize(sizeBytes) })
  const value = sizeBytes === null ? {} : { value: doneBytes / sizeBytes }
  return (
    <li class="card download">
      <h4 dir="auto">{name}</h4>
      <p class="muted">
        <span role="status">{say(STATES[state])}</span> · {amount} · {new URL(url).host}
      </p>
      {(state !== 'stopped' || sizeBytes !== null) && <progress {...value} aria-label={name} />}
      <Problem text={problem} />
      {warning !== null && <p role="alert">{warning}</p>}
      <div class="row">
        {state === 'stopped' ? (
          <button
            type="button"
            aria-label={say('downloadResumeNamed', { name })}
            onClick={() => void downloads.resume(url, warning !== null)}
          >
            {say(warning === null ? 'downloadResume' : 'addAnyway')}
          </button>
        ) : (
          <button
            type="button"
            aria-label={say('downloadPauseNamed', { name })}
            onClick={() => void downloads.pause(url)}
          >
            {say('downloadPause')}
          </button>
        )}
        <button
          type="button"
          class="quiet"
          aria-label={say('downloadCancelNamed', { name })}
          onClick={() => void downloads.cancel(url)}
        >
          {say('cancel')}
        </button>
      </div>
    </li>
  )
}
