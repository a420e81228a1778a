import { useMemo } from 'preact/hooks'
import { Chart } from '../figures/chart.tsx'
import { language, say, sayUnits } from '../words/words.ts'
import type { DeviceOverview } from './device-client.ts'

/** What the device owes and is owed, whole and by day. */
export function DeviceFigures({ ledger: { pays, earns, days } }: Pick<DeviceOverview, 'ledger'>) {
  const times = useMemo(() => days.map(({ day }) => Date.parse(day) / 1_000), [days])
  const money = useMemo(
    () => [
      { name: say('spent'), values: days.map(({ priceUnits }) => Number(priceUnits)) },
      {
        name: say('earned'),
        values: days.map(({ settledIn, setOffIn }) => Number(settledIn) + Number(setOffIn)),
      },
    ],
    [days, language.value],
  )
  const number = new Intl.NumberFormat(language.value, { maximumFractionDigits: 0 })
  return (
    <>
      <h3>{say('ledger')}</h3>
      <dl class="facts">
        <dt>{say('owes')}</dt>
        <dd>
          {say('ofItHeld', { due: sayUnits(BigInt(pays.due)), held: sayUnits(BigInt(pays.held)) })}
        </dd>
        <dt>{say('isOwed')}</dt>
        <dd>
          {say('ofItHeld', {
            due: sayUnits(BigInt(earns.due)),
            held: sayUnits(BigInt(earns.held)),
          })}
        </dd>
        <dt>{say('settledOnChain')}</dt>
        <dd>{sayUnits(BigInt(earns.settled) + BigInt(earns.setOff))}</dd>
      </dl>
      {days.length > 0 && (
        <Chart
          name={say('moneyByDay')}
          kind="bars"
          least={1}
          format={number}
          {...{ times }}
          series={money}
        />
      )}
    </>
  )
}
