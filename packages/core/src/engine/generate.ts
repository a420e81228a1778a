import { sampleToken } from '../sampling/gumbel.ts'
import type { Finish } from '../wire/frames.ts'
import type { Sequence, TopLogits } from './engine.ts'

export interface GenerateInit {
  promptIds: readonly number[]
  /** 32 bytes; with the same logits it gives the same tokens. */
  seed: Uint8Array
  temperature: number
  maxTokens: number
  /** Ids that end the text, besides the model's own. */
  stopIds?: readonly number[] | undefined
  endIds: readonly number[]
  onProgress?: ((promptTokensDone: number) => void) | undefined
  signal?: AbortSignal | undefined
  /** Holds generation back before token `t` is computed; undefined lets it go on at once. */
  gate?: ((t: number) => Promise<void> | undefined) | undefined
}

export interface GeneratedToken {
  t: number
  id: number
  /** Logits that it was sampled from. */
  top: TopLogits
  /** Why the text ends with this token; undefined while it goes on. */
  finish: Finish | undefined
}

/** Generates with the seeded sampler, one step ahead of its consumer where the gate allows. */
export async function* generate(
  sequence: Sequence,
  init: GenerateInit,
): AsyncGenerator<GeneratedToken, void, void> {
  const { seed, temperature, signal, gate } = init
  const [first] = await sequence.prefill(init.promptIds, { onProgress: init.onProgress, signal })
  let top = first as TopLogits
  for (let t = 0; t < init.maxTokens; t++) {
    const id = sampleToken(top, seed, t, temperature)
    const finish = finishOf(id, t + 1, init)
    const wait = finish === undefined ? gate?.(t + 1) : undefined
    const ahead =
      finish === undefined && wait === undefined ? sequence.step(id, { signal }) : undefined
    ahead?.catch(() => {})
    yield { t, id, top, finish }
    if (finish !== undefined) return
    await wait
    top = await (ahead ?? sequence.step(id, { signal }))
  }
}

/** Why an answer of `count` tokens that ends with `id` is over, if it is. */
export function finishOf(
  id: number,
  count: number,
  init: Pick<GenerateInit, 'endIds' | 'stopIds' | 'maxTokens'>,
): Finish | undefined {
  if (init.endIds.includes(id)) return 'eos'
  if (init.stopIds?.includes(id)) return 'stop'
  return count >= init.maxTokens ? 'length' : undefined
}
