import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { TransactionRecord } from '@freehold/core/clearing/noted-chain'
import type { AnswerRecord } from '@freehold/core/device/records'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { DEVICE_DATABASE } from '../answering/answerer.ts'
import type { App } from '../app/app-state.ts'
import { prefer, preferences } from '../app/preferences.ts'
import { Problem } from '../app/problem.tsx'
import { saveFile } from '../app/save-file.ts'
import { TextField } from '../app/text-field.tsx'
import { useWork } from '../app/use-work.ts'
import { unitsOf } from '../member/member-settings.ts'
import { openIndexedDbStorage } from '../storage/indexed-db-storage.ts'
import { language, say, sayUnits } from '../words/words.ts'
import { Chart } from './chart.tsx'
import {
  type DayFigures,
  figuresAsCsv,
  figuresByDay,
  type Kept,
  type MarginPoint,
  marginsOf,
  PLACES,
  savedUnits,
  tokensOf,
} from './figures.ts'

/** They are read without keys: they are the owner's, not the wallet's. */
async function readKept(): Promise<Omit<Kept, 'chats'>> {
  await using storage = await openIndexedDbStorage(DEVICE_DATABASE)
  const rows = async <Row,>(name: string) =>
    (await storage.table<Row>(name).list()).map(([, row]) => row)
  const [answers, transactions, channels] = await Promise.all([
    rows<AnswerRecord>('answers'),
    rows<TransactionRecord>('transactions'),
    rows<ChannelRecord>('channels'),
  ])
  return { answers, transactions, channels }
}

/** What was made where, what it cost, and how well it was checked. */
export function FiguresView({ app }: { app: App }) {
  const [kept, setKept] = useState<Omit<Kept, 'chats'> | null>(null)
  const work = useWork()
  useEffect(() => work.run(async () => setKept(await readKept())), [])
  const chats = app.book.chats.value
  const days = useMemo(
    () => (kept === null ? null : figuresByDay({ ...kept, chats: [...chats.values()] })),
    [kept, chats],
  )
  const margins = useMemo(() => marginsOf(kept?.answers ?? []), [kept])
  return (
    <section class="page">
      <h2>{say('figures')}</h2>
      <p class="muted">{say('figuresNote')}</p>
      <Problem text={work.problem} />
      {days?.length === 0 && <p>{say('noFigures')}</p>}
      {days !== null && days.length > 0 && <Days days={days} />}
      {margins.length > 0 && <Margins margins={margins} />}
    </section>
  )
}

const NAMES = {
  device: 'scopeDevice',
  own: 'scopeOwn',
  friends: 'scopeFriends',
  market: 'scopeMarket',
} as const

function Days({ days }: { days: readonly DayFigures[] }) {
  const { cloudPrice } = preferences.value
  const price = priceOf(cloudPrice)
  const times = useMemo(() => days.map(({ day }) => Date.parse(day) / 1_000), [days])
  const tokens = useMemo(
    () =>
      PLACES.map((place) => ({
        name: say(NAMES[place]),
        values: days.map((day) => day.tokens[place]),
      })),
    [days, language.value],
  )
  const money = useMemo(
    () => [
      { name: say('spent'), values: days.map(({ spentUnits }) => Number(spentUnits)) },
      { name: say('earned'), values: days.map(({ earnedUnits }) => Number(earnedUnits)) },
    ],
    [days, language.value],
  )
  const saved = useMemo(
    () => [
      {
        name: say('unitsSaved'),
        values: days.map((day) => (price === null ? null : Number(savedUnits(day, price)))),
      },
    ],
    [days, price, language.value],
  )
  // A drawing of nothing says nothing.
  const hasMoney = days.some(({ spentUnits, earnedUnits }) => spentUnits > 0n || earnedUnits > 0n)
  const number = new Intl.NumberFormat(language.value, { maximumFractionDigits: 0 })
  const sum = (of: (day: DayFigures) => bigint) => days.reduce((all, day) => all + of(day), 0n)
  return (
    <>
      <dl class="facts">
        <dt>{say('tokens')}</dt>
        <dd id="all-tokens">{number.format(sum((day) => BigInt(tokensOf(day))))}</dd>
        <dt>{say('spent')}</dt>
        <dd>{sayUnits(sum(({ spentUnits }) => spentUnits))}</dd>
        <dt>{say('earned')}</dt>
        <dd>{sayUnits(sum(({ earnedUnits }) => earnedUnits))}</dd>
        {price !== null && (
          <>
            <dt>{say('unitsSaved')}</dt>
            <dd id="all-saved">{sayUnits(sum((day) => savedUnits(day, price)))}</dd>
          </>
        )}
      </dl>
      <Chart
        name={say('tokensByPlace')}
        kind="stack"
        least={1}
        format={number}
        {...{ times }}
        series={tokens}
      />
      {hasMoney && (
        <Chart
          name={say('moneyByDay')}
          kind="bars"
          least={1}
          format={number}
          {...{ times }}
          series={money}
        />
      )}
      <div class="fields">
        <TextField
          label={say('cloudPrice')}
          hint={say('cloudPriceHint')}
          value={cloudPrice}
          onValue={(cloudPrice) => prefer({ cloudPrice })}
        />
      </div>
      {price !== null && (
        <Chart
          name={say('savedByDay')}
          kind="bars"
          least={1}
          format={number}
          {...{ times }}
          series={saved}
        />
      )}
      <div class="row">
        <button
          type="button"
          onClick={() => saveFile('freehold-figures', 'csv', 'text/csv', figuresAsCsv(days))}
        >
          {say('saveCsv')}
        </button>
      </div>
    </>
  )
}

/** @returns null while it is no price */
function priceOf(text: string): bigint | null {
  try {
    return unitsOf(text)
  } catch {
    return null
  }
}

function Margins({ margins }: { margins: readonly MarginPoint[] }) {
  const times = useMemo(() => margins.map(({ atMs }) => atMs / 1_000), [margins])
  const series = useMemo(
    () =>
      [false, true].map((failed) => ({
        name: say(failed ? 'verdictFail' : 'verdictPass'),
        values: margins.map(({ margin, hasFailed }) => (hasFailed === failed ? margin : null)),
      })),
    [margins, language.value],
  )
  const small = new Intl.NumberFormat(language.value, { maximumFractionDigits: 4 })
  return (
    <>
      <p class="muted">{say('marginsNote')}</p>
      <Chart
        name={say('marginsOverTime')}
        kind="points"
        least={0.01}
        format={small}
        {...{ times, series }}
      />
    </>
  )
}
