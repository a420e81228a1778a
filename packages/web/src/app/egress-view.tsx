import { peerNameOf } from '@freehold/core/identity/peer-name'
import { systemClock } from '@freehold/core/platform'
import { createEgressLog, type EgressEntry } from '@freehold/core/routing/egress-log'
import { useEffect, useState } from 'preact/hooks'
import { DEVICE_DATABASE } from '../answering/answerer.ts'
import { openIndexedDbStorage } from '../storage/indexed-db-storage.ts'
import { language, say, sayUnits } from '../words/words.ts'
import { Problem } from './problem.tsx'
import { countsText, RUNGS } from './rungs.ts'
import { useWork } from './use-work.ts'

interface Log {
  entries: EgressEntry[]
  /** Index of the first entry that does not hold; null: all do. */
  broken: number | null
}

/** It is read without keys: whoever locks them may still see what left. */
async function readLog(): Promise<Log> {
  await using storage = await openIndexedDbStorage(DEVICE_DATABASE)
  const log = createEgressLog(storage.table('egress'), systemClock)
  return { entries: await log.entries(), broken: await log.verify() }
}

/** Every departure of content from this device. */
export function EgressView() {
  const [log, setLog] = useState<Log | null>(null)
  const work = useWork()
  const verify = async () => setLog(await readLog())
  useEffect(() => work.run(verify), [])
  const time = new Intl.DateTimeFormat(language.value, { dateStyle: 'short', timeStyle: 'medium' })
  return (
    <section class="page">
      <h2>{say('egress')}</h2>
      <p class="muted">{say('egressNote')}</p>
      <div class="row">
        <button type="button" disabled={work.isRunning} onClick={() => work.run(verify)}>
          {say('verify')}
        </button>
        <p role="status" class={log?.broken != null ? 'problem' : undefined}>
          {log !== null &&
            (log.broken === null
              ? say('egressHolds', { count: log.entries.length })
              : say('egressBroken', { number: log.broken + 1 }))}
        </p>
      </div>
      <Problem text={work.problem} />
      {log?.entries.length === 0 && <p>{say('nothingLeft')}</p>}
      <ol class="cards" reversed>
        {log?.entries.toReversed().map((entry) => (
          <li key={entry.index} class="card">
            <dl class="facts">
              <dt>{say('time')}</dt>
              <dd>{time.format(entry.timeMs)}</dd>
              <dt>{say('toWhom')}</dt>
              <dd>
                <code>{peerNameOf(entry.to)}</code>
              </dd>
              <dt>{say('scope')}</dt>
              <dd>{entry.scope === 'device' ? say('scopeDevice') : say(RUNGS[entry.scope])}</dd>
              <dt>{say('why')}</dt>
              <dd dir="auto">{entry.why}</dd>
              <dt>{say('bytes')}</dt>
              <dd>{entry.sizeBytes}</dd>
              <dt>{say('mostPrice')}</dt>
              <dd>{sayUnits(BigInt(entry.priceUnits))}</dd>
              {entry.redacted && (
                <>
                  <dt>{say('replaced')}</dt>
                  <dd>{countsText(entry.redacted)}</dd>
                </>
              )}
              <dt>{say('digest')}</dt>
              <dd>
                <code>{entry.digest}</code>
              </dd>
            </dl>
          </li>
        ))}
      </ol>
    </section>
  )
}
