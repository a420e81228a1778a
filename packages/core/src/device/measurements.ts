import type { Speed } from '../routing/score-offer.ts'
import type { Parts } from './parts.ts'

/** A mean in which what is long past counts less. */
export interface Mean {
  mean: number
  /** How many samples it is worth. */
  weight: number
}

/** How a lender did with one model, as this device measured it. */
export interface Measurement {
  /** Lender's device key, and the model's id, hex. */
  device: string
  modelId: string
  atMs: number
  connectMs: Mean
  readyMs: Mean
  firstTokenMs: Mean
  /** Of one token, since times add up and rates do not. */
  tokenMs: Mean
  /** Answers that came whole, that broke off, and refusals, each fading. */
  whole: number
  broken: number
  refused: number
}

/** What one attempt showed; what it did not get to is absent. */
export interface Attempt {
  /** `cancelled` says nothing of the lender but its speed. */
  end: 'whole' | 'broken' | 'refused' | 'cancelled'
  connectMs?: number | undefined
  readyMs?: number | undefined
  firstTokenMs?: number | null | undefined
  /** Of each token after the first. */
  tokenMs?: number | undefined
}

/** What is remembered of how lenders did, by lender and model. */
export interface Measurements {
  note(device: string, modelId: string, attempt: Attempt): Promise<void>
  /** As it counts now; undefined: never measured. */
  of(device: string, modelId: string): Promise<Measurement | undefined>
}

/** After so long a sample counts half: devices and lines change within days. */
export const HALF_LIFE_MS = 3 * 24 * 3_600_000
/** No mean is worth more samples: a lender that got slow is noticed within some answers. */
const MAX_WEIGHT = 20
/** Nor are counts: whoever answered a thousand times and breaks now is not excused by it. */
const MAX_COUNT = 40
const MAX_ROWS = 1_000
/** A refusal costs a round trip, not an answer. */
const REFUSAL_WEIGHT = 1 / 4

const NONE: Mean = { mean: 0, weight: 0 }

export function createMeasurements({
  tables,
  clock,
}: Pick<Parts, 'tables' | 'clock'>): Measurements {
  const { measurements } = tables

  /** Makes room by the oldest; what was measured long ago hardly counts anyway. */
  async function makeRoom(): Promise<void> {
    const rows = await measurements.list()
    if (rows.length <= MAX_ROWS) return
    const oldest = rows.sort(([, one], [, other]) => one.atMs - other.atMs)
    for (const [key] of oldest.slice(0, rows.length - MAX_ROWS)) {
      await measurements.update(key, () => undefined)
    }
  }

  return {
    note: async (device, modelId, attempt) => {
      const atMs = clock.now()
      let isNew = false
      await measurements.update(keyOf(device, modelId), (old) => {
        isNew = old === undefined
        return added(old ?? { ...EMPTY, device, modelId, atMs }, attempt, atMs)
      })
      if (isNew) await makeRoom()
    },
    of: async (device, modelId) => {
      const found = await measurements.get(keyOf(device, modelId))
      return found && faded(found, clock.now())
    },
  }
}

/** What a measurement says of speed; null: it never came to a token. */
export function speedOf({
  connectMs,
  readyMs,
  firstTokenMs,
  tokenMs,
}: Measurement): { speed: Speed; samples: number } | null {
  if (firstTokenMs.weight === 0) return null
  return {
    speed: {
      connectMs: connectMs.mean,
      readyMs: readyMs.mean,
      firstTokenMs: firstTokenMs.mean,
      // An answer of one token says nothing of the next; it counts as what came before it.
      tokensPerSecond: 1_000 / Math.max(tokenMs.weight === 0 ? 100 : tokenMs.mean, 0.01),
    },
    samples: firstTokenMs.weight,
  }
}

/** How many answers count as broken: refusals count less. */
export function brokenOf({ broken, refused }: Measurement): number {
  return broken + REFUSAL_WEIGHT * refused
}

const EMPTY = {
  ...{ connectMs: NONE, readyMs: NONE, firstTokenMs: NONE, tokenMs: NONE },
  ...{ whole: 0, broken: 0, refused: 0 },
}

function keyOf(device: string, modelId: string): string {
  return `${device} ${modelId}`
}

function faded(old: Measurement, nowMs: number): Measurement {
  // A clock that was set back makes nothing grow.
  const share = 0.5 ** (Math.max(0, nowMs - old.atMs) / HALF_LIFE_MS)
  const fade = ({ mean, weight }: Mean): Mean => ({ mean, weight: weight * share })
  return {
    ...old,
    atMs: nowMs,
    connectMs: fade(old.connectMs),
    readyMs: fade(old.readyMs),
    firstTokenMs: fade(old.firstTokenMs),
    tokenMs: fade(old.tokenMs),
    whole: old.whole * share,
    broken: old.broken * share,
    refused: old.refused * share,
  }
}

function added(old: Measurement, attempt: Attempt, nowMs: number): Measurement {
  const { end, connectMs, readyMs, firstTokenMs, tokenMs } = attempt
  const now = faded(old, nowMs)
  const count = (word: 'whole' | 'broken' | 'refused') => now[word] + (end === word ? 1 : 0)
  const [whole, broken, refused] = [count('whole'), count('broken'), count('refused')]
  const share = Math.min(1, MAX_COUNT / Math.max(1, whole + broken + refused))
  return {
    ...now,
    connectMs: addSample(now.connectMs, connectMs),
    readyMs: addSample(now.readyMs, readyMs),
    firstTokenMs: addSample(now.firstTokenMs, firstTokenMs),
    tokenMs: addSample(now.tokenMs, tokenMs),
    whole: whole * share,
    broken: broken * share,
    refused: refused * share,
  }
}

function addSample(old: Mean, sample: number | null | undefined): Mean {
  if (sample === null || sample === undefined || !Number.isFinite(sample)) return old
  const weight = Math.min(MAX_WEIGHT, old.weight + 1)
  return { mean: old.mean + (Math.max(0, sample) - old.mean) / weight, weight }
}
