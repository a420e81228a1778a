import { useEffect, useRef, useState } from 'preact/hooks'
import { sentenceOf } from '../chats/conversation.ts'
import { judgeModel } from '../models/judge-model.ts'
import { lookAtSpace, makeRoom, type Space } from '../models/make-room.ts'
import type { SpaceModel } from '../models/model-space.ts'
import { say, saySize } from '../words/words.ts'
import type { App } from './app-state.ts'
import { DownloadsSection } from './downloads-section.tsx'
import { Icon } from './icon.tsx'
import { prefer } from './preferences.ts'

/** What models are here, what they take, and what can be had. */
export function ModelsView({ app }: { app: App }) {
  const [space, setSpace] = useState<Space | null>(null)
  const [problem, setProblem] = useState('')
  const [asked, setAsked] = useState<{ file: File; why: string } | null>(null)
  const picker = useRef<HTMLInputElement>(null)
  const { models, fetching } = app.space
  const all = models.value
  const under = app.downloads.all.value
  useEffect(() => void lookAtSpace().then(setSpace), [all, under.length])

  const attempt = async (work: () => Promise<void>) => {
    setProblem('')
    try {
      await work()
    } catch (error) {
      setProblem(sentenceOf(error))
    }
  }
  const add = (file: File, isSure = false) =>
    attempt(async () => {
      setAsked(null)
      const { refusal, warning } = await judgeModel(file)
      if (refusal !== null) throw new Error(refusal)
      if (warning !== null && !isSure) {
        setAsked({ file, why: warning })
        return
      }
      await makeRoom(file.size)
      await app.space.add(file)
    })
  const get = (model: SpaceModel) =>
    attempt(async () => {
      await makeRoom(model.sizeBytes)
      await app.space.fetch(model.sha256)
    })
  const progress = fetching.value

  return (
    <section class="page">
      <h2>{say('models')}</h2>
      <p class="muted">{say('modelsIntro')}</p>
      <ul class="cards">
        {all.map((model) => (
          <li key={model.sha256} class="card">
            <div>
              <h3 dir="auto">{model.name}</h3>
              <p class="muted">
                {saySize(model.sizeBytes)}
                {model.isBundled && ` · ${say('comesWithApp')}`}
                {!model.isHere && ` · ${say('notHereYet')}`}
              </p>
            </div>
            <div class="row">
              {model.sha256 === app.model.value ? (
                <span class="tag">{say('modelInUse')}</span>
              ) : (
                <button
                  type="button"
                  aria-label={say('useModelNamed', { name: model.name })}
                  onClick={() => prefer({ model: model.sha256 })}
                >
                  {say('useModel')}
                </button>
              )}
              {model.isHere ? (
                <button
                  type="button"
                  class="quiet"
                  aria-label={say('removeModelNamed', { name: model.name })}
                  title={say('removeModel')}
                  onClick={() => void attempt(() => app.space.remove(model.sha256))}
                >
                  <Icon name="trash" />
                </button>
              ) : (
                <button
                  type="button"
                  aria-label={say('getModelNamed', { name: model.name })}
                  disabled={progress !== null}
                  onClick={() => void get(model)}
                >
                  {say('getModel')}
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
      {progress !== null && (
        <p role="status">
          {say('addingFile', { name: progress.name, percent: Math.floor(progress.done * 100) })}{' '}
          <progress value={progress.done} aria-label={progress.name} />
        </p>
      )}
      {problem !== '' && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {asked !== null && (
        <div class="card" role="alert">
          <p>{asked.why}</p>
          <div class="row">
            <button type="button" onClick={() => setAsked(null)}>
              {say('cancel')}
            </button>
            <button type="button" onClick={() => void add(asked.file, true)}>
              {say('addAnyway')}
            </button>
          </div>
        </div>
      )}
      <button type="button" disabled={progress !== null} onClick={() => picker.current?.click()}>
        <Icon name="plus" />
        {say('addFile')}
      </button>
      <input
        ref={picker}
        type="file"
        accept=".gguf"
        hidden
        aria-label={say('addFile')}
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? []
          if (file !== undefined) void add(file)
          currentTarget.value = ''
        }}
      />
      <DownloadsSection app={app} />
      {space !== null && <SpaceView space={space} onChange={setSpace} />}
    </section>
  )
}

function SpaceView({ space, onChange }: { space: Space; onChange: (space: Space) => void }) {
  const { usedBytes, quotaBytes, isKept } = space
  const [isRefused, setRefused] = useState(false)
  const keep = async () => {
    setRefused(!(await navigator.storage.persist()))
    onChange(await lookAtSpace())
  }
  const words = say('storageUsed', { used: saySize(usedBytes), quota: saySize(quotaBytes) })
  return (
    <section class="space">
      <h3>{say('storage')}</h3>
      <meter min={0} max={quotaBytes || 1} value={usedBytes} aria-label={words} />
      <p>{words}</p>
      <p class="muted">{say(isKept ? 'storageKept' : 'storageNotKept')}</p>
      {!isKept && (
        <button type="button" onClick={() => void keep()}>
          {say('keepData')}
        </button>
      )}
      {isRefused && <p role="status">{say('keepRefused')}</p>}
    </section>
  )
}
