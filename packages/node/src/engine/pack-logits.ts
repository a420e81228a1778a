import type { PackedLogits } from './protocol.ts'

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
