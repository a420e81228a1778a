import { TOP_LOGITS, type TopLogits } from '@freehold/core/engine/engine'
import { EngineError } from '@freehold/core/errors'
import type { PackedLogits } from './protocol.ts'
import type { TextLogits } from './text-sequences.ts'

/**
 * Packs the top logits of some positions into two flat arrays: highest first, equal ones by lower
 * id first.
 * @throws RangeError when a logit is no finite number, as broken weights give
 */
export function packLogits(positions: readonly ReadonlyMap<number, number>[]): PackedLogits {
  const widths = Uint32Array.from(positions, ({ size }) => size)
  const total = widths.reduce((sum, width) => sum + width, 0)
  const ids = new Uint32Array(total)
  const logits = new Float32Array(total)
  let at = 0
  for (const position of positions) {
    for (const [id, logit] of [...position].sort((a, b) => b[1] - a[1] || a[0] - b[0])) {
      if (!Number.isFinite(logit))
        throw new RangeError('the model computed a logit that is no number')
      ids[at] = id
      logits[at] = logit
      at++
    }
  }
  return { widths, ids, logits }
}

/** @throws EngineError for more candidates than a position has */
export function unpackLogits({ widths, ids, logits }: PackedLogits): TopLogits[] {
  let end = 0
  return Array.from(widths, (width) => {
    if (width > TOP_LOGITS) throw new EngineError({ what: 'the engine gave too many logits' })
    const start = end
    end += width
    return { ids: ids.subarray(start, end), logits: logits.subarray(start, end) }
  })
}

/** The same with the sums of a text's positions, NaN where none were wanted. */
export function unpackTexts(packed: PackedLogits): TextLogits[] {
  const sums = packed.logSums
  return unpackLogits(packed).map((top, at) => ({ ...top, logSum: sums?.[at] ?? Number.NaN }))
}

/** One position of a text. */
export function packText({ ids, logits, logSum }: TextLogits): PackedLogits {
  return { widths: Uint32Array.of(ids.length), ids, logits, logSums: Float64Array.of(logSum) }
}
