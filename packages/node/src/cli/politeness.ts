import { UsageError } from '@freehold/core/errors'
import type { Politeness } from '@freehold/core/lending/polite'
import type { LendSettings } from '../config.ts'
import { durationMs } from '../http/duration.ts'

/** What `lend` may be told on the command line. */
export interface PolitenessOptions {
  when?: string | undefined
  idleAfter?: string | undefined
  hours?: string | undefined
  maxTemperature?: number | undefined
}

const DEFAULT_IDLE_AFTER = '5m'
const CONDITIONS: readonly string[] = ['idle', 'mains']

/** When a device lends: each option before the same setting. @throws UsageError for what makes no sense */
export function politenessOf(settings: LendSettings, options: PolitenessOptions): Politeness {
  const foreign = Object.keys(settings).find((key) => !FIELDS.includes(key))
  if (foreign !== undefined) {
    throw new UsageError({
      what: `the setting lend has "${foreign}"`,
      next: `There are ${FIELDS.join(', ')}`,
    })
  }
  const { when = [], idleAfter = DEFAULT_IDLE_AFTER, hours, maxTemperature } = settings
  const conditions: unknown = options.when?.split(',') ?? when
  if (!Array.isArray(conditions) || !conditions.every((one) => CONDITIONS.includes(one))) {
    throw new UsageError({
      what: `${JSON.stringify(conditions)} is no condition for lending`,
      next: 'It is idle, mains or both: idle,mains',
    })
  }
  const within = options.hours ?? hours
  const most = options.maxTemperature ?? maxTemperature
  if (most !== undefined && !(Number.isFinite(most) && most > 0 && most <= 150)) {
    throw new UsageError({ what: `${most} is no temperature`, next: 'It is in °C, such as 75' })
  }
  return {
    ...(conditions.includes('idle') && {
      idle: { afterMs: idleMs(options.idleAfter ?? idleAfter) },
    }),
    ...(conditions.includes('mains') && { mains: true }),
    ...(most !== undefined && { maxTemperature: most }),
    ...(within !== undefined && { hours: parseHours(within) }),
  }
}

const FIELDS = ['when', 'idleAfter', 'hours', 'maxTemperature']

function idleMs(text: string): number {
  try {
    const ms = durationMs(text)
    if (Number.isFinite(ms)) return ms
  } catch {}
  throw new UsageError({ what: `"${text}" is no time`, next: 'It is like 5m or 300 (seconds)' })
}

/** Minutes of the day of `22:00-07:00`. */
function parseHours(text: string): [number, number] {
  const [, ...parts] = /^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(String(text)) ?? []
  const [h1 = 99, m1 = 0, h2 = 99, m2 = 0] = parts.map(Number)
  const [from, until] = [60 * h1 + m1, 60 * h2 + m2]
  const isSound = m1 < 60 && m2 < 60 && from < 1_440 && until <= 1_440 && from !== until
  if (isSound) return [from, until]
  throw new UsageError({ what: `"${text}" are no hours`, next: 'They are like 22:00-07:00' })
}
