import { calibrate } from '@freehold/core/audit/calibrate'
import type { CalibrationTable } from '@freehold/core/audit/calibration'
import { promptIdsOf } from '@freehold/core/device/text'
import type { Model } from '@freehold/core/engine/engine'
import { systemRandom } from '@freehold/core/platform'
import { createLlamaEngine } from '../engine/llama-engine.ts'

const ANSWER_TOKENS = 256
/** Most time for the calibration's own answers. */
const BUDGET_SECONDS = 60

/**
 * Calibrates audits of a model that Freehold ships no table for, on this machine alone: with and
 * without flash attention are its two honest lenders. Rougher than a shipped table.
 * @param prompt what will be asked; the answers must be of its kind
 */
export async function selfCalibrate(init: {
  path: string
  cheats: Readonly<Record<string, string>>
  prompt: string
  tokensPerSecond: number
  signal: AbortSignal
}): Promise<CalibrationTable> {
  const { path, cheats, prompt, tokensPerSecond, signal } = init
  const engines: AsyncDisposable[] = []
  const load = async (file: string, flashAttn = false): Promise<Model> => {
    const engine = createLlamaEngine({ flashAttn })
    engines.push(engine)
    return engine.load(file, { sequences: 1, signal })
  }
  try {
    const lenders = [await load(path), await load(path, true)]
    const served: Record<string, Model> = {}
    for (const [kind, file] of Object.entries(cheats)) served[kind] = await load(file)
    const [first] = lenders as [Model]
    const ids = await promptIdsOf(first, [{ role: 'user', content: prompt }])
    const answers = lenders.length + Object.keys(served).length
    const affordable = Math.floor((BUDGET_SECONDS * tokensPerSecond) / (ANSWER_TOKENS * answers))
    const times = Math.max(2, Math.min(12, affordable))
    return await calibrate(
      { lenders, cheats: served, random: systemRandom },
      {
        prompts: new Array<number[]>(times).fill(ids),
        maxTokens: ANSWER_TOKENS,
        temperature: 1,
        conditions: 'this machine, with and without flash attention',
        signal,
      },
    )
  } finally {
    for (const engine of engines) await engine[Symbol.asyncDispose]()
  }
}
