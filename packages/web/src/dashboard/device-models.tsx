import { useEffect, useState } from 'preact/hooks'
import { Form } from '../app/form.tsx'
import { Icon } from '../app/icon.tsx'
import { Problem } from '../app/problem.tsx'
import { TextField } from '../app/text-field.tsx'
import { useWork } from '../app/use-work.ts'
import { say, saySize } from '../words/words.ts'
import { type DeviceModel, pullModel, readModels, removeModel } from './device-client.ts'

/** Models of the device, which of them are in memory, and a way to get more. */
export function DeviceModels() {
  const [models, setModels] = useState<DeviceModel[] | null>(null)
  const [name, setName] = useState('')
  const [step, setStep] = useState<{ status: string; done: number | null } | null>(null)
  const work = useWork()
  const look = async () => setModels(await readModels())
  useEffect(() => work.run(look), [])
  const pull = async () => {
    try {
      await pullModel(name.trim(), (status, done) => setStep({ status, done }))
      setName('')
    } finally {
      setStep(null)
    }
    await look()
  }
  const remove = async (model: string) => {
    await removeModel(model)
    await look()
  }
  return (
    <>
      <h3>{say('deviceModels')}</h3>
      <ul class="cards">
        {models?.map(({ name: model, size, loaded }) => (
          <li key={model} class="card">
            <div>
              <p dir="auto">
                <b>{model}</b>
              </p>
              <p class="muted">
                {saySize(size)}
                {loaded !== null && ` · ${say('inMemory', { ...loaded })}`}
              </p>
            </div>
            <button
              type="button"
              class="quiet"
              aria-label={say('removeModelNamed', { name: model })}
              title={say('removeModel')}
              disabled={work.isRunning}
              onClick={() => work.run(() => remove(model))}
            >
              <Icon name="trash" />
            </button>
          </li>
        ))}
      </ul>
      <Form onSubmit={() => work.run(pull)}>
        <div class="fields">
          <TextField
            label={say('pullName')}
            hint={say('pullHint')}
            value={name}
            onValue={setName}
            isRequired
            isWide
          />
        </div>
        <div class="row">
          <button type="submit" disabled={work.isRunning}>
            {say('pull')}
          </button>
          <button type="button" disabled={work.isRunning} onClick={() => work.run(look)}>
            {say('lookAgain')}
          </button>
        </div>
      </Form>
      {step !== null && (
        <p role="status">
          {step.status} <progress value={step.done ?? undefined} aria-label={step.status} />
        </p>
      )}
      <Problem text={work.problem} />
    </>
  )
}
