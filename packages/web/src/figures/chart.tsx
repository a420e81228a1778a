import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { preferences } from '../app/preferences.ts'
import { language, say } from '../words/words.ts'

const HEIGHT_PX = 220
const DAY_SECONDS = 86_400
const DAY_STEPS = [1, 2, 7, 14, 30, 90, 365].map((days) => days * DAY_SECONDS)
const WHOLE_STEPS = Array.from({ length: 16 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat()

export interface ChartSeries {
  name: string
  /** A value for each point in time; null: none. */
  values: readonly (number | null)[]
}

export interface ChartProps {
  name: string
  /** Points in time, Unix seconds, rising. */
  times: readonly number[]
  series: readonly ChartSeries[]
  /** Bars of days on each other, bars of one or two series side by side, or points at any time. */
  kind: 'stack' | 'bars' | 'points'
  format: Intl.NumberFormat
  /** The scale reaches as far as this at least. */
  least: number
}

/** A drawing with its numbers as a table below. */
export function Chart(props: ChartProps) {
  const { name, times, series, kind } = props
  const place = useRef<HTMLDivElement>(null)
  const legend = useRef<HTMLUListElement>(null)
  const theme = preferences.value.theme
  useEffect(() => {
    if (place.current === null || legend.current === null) return
    return draw(place.current, coloursOf(legend.current), props)
  }, [times, series, theme, language.value])
  const time = timeFormat(kind)
  return (
    <figure class="chart">
      <figcaption>{name}</figcaption>
      <div ref={place} role="img" aria-label={say('chartOf', { name })} />
      <ul ref={legend} class="legend">
        {series.map((one, i) => (
          <li key={one.name}>
            <i class={`swatch swatch-${i}`} />
            {one.name}
          </li>
        ))}
      </ul>
      <details>
        <summary>{say('asTable')}</summary>
        {/* It can be wider than a phone. */}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: whoever has a keyboard scrolls it too */}
        <section class="scrolls" tabIndex={0} aria-label={name}>
          <table>
            <thead>
              <tr>
                <th scope="col">{say('time')}</th>
                {series.map((one) => (
                  <th key={one.name} scope="col">
                    {one.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((at, i) => (
                <tr key={at}>
                  <th scope="row">{time.format(at * 1_000)}</th>
                  {series.map((one) => (
                    <td key={one.name}>{textOf(one.values[i], props.format)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </figure>
  )
}

function textOf(value: number | null | undefined, format: Intl.NumberFormat): string {
  return value === null || value === undefined ? '' : format.format(value)
}

function timeFormat(kind: ChartProps['kind']): Intl.DateTimeFormat {
  // Days are those of UTC, as in the ledger.
  return kind === 'points'
    ? new Intl.DateTimeFormat(language.value, { dateStyle: 'short', timeStyle: 'short' })
    : new Intl.DateTimeFormat(language.value, { dateStyle: 'short', timeZone: 'UTC' })
}

/** As the style sheet has them, light or dark. */
function coloursOf(legend: HTMLElement) {
  const ink = getComputedStyle(legend).color
  const swatches = [...legend.querySelectorAll('.swatch')]
  const of = (i: number) => swatches.map((one) => getComputedStyle(one).backgroundColor)[i] ?? ink
  return { ink, of }
}

/** @param align -1 before its day's middle, 1 behind it, 0 on it */
function barsOf(align: -1 | 0 | 1): uPlot.Series.PathBuilder {
  const builder = uPlot.paths.bars?.({ size: [align === 0 ? 0.7 : 0.35, 48], align })
  if (builder === undefined) throw new Error('uPlot came without bars')
  return builder
}

/** @returns what takes it away again */
function draw(
  place: HTMLElement,
  colours: ReturnType<typeof coloursOf>,
  { times, series, kind, format, least }: ChartProps,
): () => void {
  const time = timeFormat(kind)
  const axis = { stroke: colours.ink, ticks: { show: false }, font: '12px system-ui, sans-serif' }
  const isDays = kind !== 'points'
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  const isPair = kind === 'bars' && series.length === 2
  const drawn = series.map(({ values }, i): [uPlot.Series, (number | null)[]] => [
    {
      stroke: colours.of(i),
      fill: colours.of(i),
      paths: isDays ? barsOf(isPair ? (i === 0 ? -1 : 1) : 0) : () => null,
      points: isDays ? { show: false } : { show: true, size: 8, fill: colours.of(i) },
    },
    kind === 'stack' ? cumulated(series, i) : [...values],
  ])
  // The highest is drawn first, and the others over it.
  if (kind === 'stack') drawn.reverse()
  const plot = new uPlot(
    {
      width: place.clientWidth || 320,
      height: HEIGHT_PX,
      tzDate: (at) =>
        isDays ? uPlot.tzDate(new Date(at * 1_000), 'Etc/UTC') : new Date(at * 1_000),
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: () => [first - DAY_SECONDS / 2, last + DAY_SECONDS / 2] },
        y: { range: (_, from, to) => [Math.min(0, from), Math.max(to * 1.05, least)] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          ...(isDays ? { incrs: DAY_STEPS } : {}),
          space: isDays ? 90 : 160,
          values: (_, splits) => splits.map((at) => time.format(at * 1_000)),
        },
        {
          ...axis,
          grid: { stroke: colours.ink, width: 0.25 },
          size: 72,
          // Half a token is none.
          ...(isDays ? { incrs: WHOLE_STEPS } : {}),
          values: (_, splits) => splits.map((value) => format.format(value)),
        },
      ],
      series: [{}, ...drawn.map(([one]) => one)],
    },
    [[...times], ...drawn.map(([, values]) => values)] as uPlot.AlignedData,
    place,
  )
  const observer = new ResizeObserver(() =>
    plot.setSize({ width: place.clientWidth, height: HEIGHT_PX }),
  )
  observer.observe(place)
  return () => {
    observer.disconnect()
    plot.destroy()
  }
}

/** Each point with what lies below it. */
function cumulated(series: readonly ChartSeries[], upTo: number): number[] {
  const below = series.slice(0, upTo + 1)
  return (below[0]?.values ?? []).map((_, at) =>
    below.reduce((sum, { values }) => sum + (values[at] ?? 0), 0),
  )
}
