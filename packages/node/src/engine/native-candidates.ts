import { TOP_LOGITS } from '@freehold/core/engine/engine'
import {
  type Llama,
  type LlamaContext,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp'
import { ONE_THREAD } from './fork-child.ts'
import type { TextShape } from './protocol.ts'
import { type NativeSampler, reuseSamplers } from './reuse-samplers.ts'

/**
 * Chooses the candidates of a text's positions inside the child: node-llama-cpp's `controlledEvaluate`
 * gives the highest logits of a position, but knows no grammar. So each position that it samples and
 * that we planned is computed here, with the native parts that its other functions use. They are
 * not in its types; the tests of formats fail when a later version moves them.
 */
export interface Candidates {
  /** Makes what `controlledEvaluate` wants after `length` ids, where `text` chooses the candidates. */
  plan(text: ShapedText, length: number): { filter: { tokens: Token[]; includeTop: number } }
  /** @throws GrammarError */
  shape(shape: TextShape): Promise<ShapedText>
}

/** One text's wishes. */
export interface ShapedText {
  readonly promptTokens: number
  readonly isSummed: boolean
  /**
   * Lets the grammar follow ids that come after the first `at`; what it followed beyond those is
   * forgotten.
   * @param hasGuesses only the first of them is certain
   */
  accept(at: number, ids: Uint32Array, hasGuesses: boolean): void
  /** Without candidates it has failed: node-llama-cpp lets an error in here end the process. */
  choose(index: number, length: number): Promise<Sampled>
  /** Begins what `choose` of that position needs first, while the position is being computed. */
  sampleAhead(index: number): void
  /** Why there are no candidates. */
  readonly failure: unknown
  dispose(): void
}

/** Thrown for a text that is no grammar. */
export class GrammarError extends Error {
  override name = 'GrammarError'
}

/** `logits` are pairs of id and logit; `weight` is the sum of e^(logit - highest logit). */
type Sampled = [token: number, _: unknown, __: unknown, logits?: number[], weight?: number]
type Filter = [
  tokens: readonly number[],
  highest: boolean,
  lowest: boolean,
  selected: boolean,
  top: number,
]

interface NativeContext {
  /** @returns the number that `sampleToken` knows each wanted position by */
  addToBatch(
    sequence: number,
    firstAt: number,
    ids: Uint32Array,
    wanted: Uint32Array,
  ): ArrayLike<number>
  decodeBatch(): Promise<void>
  sampleToken(
    index: number,
    sampler: NativeSampler,
    probabilities: boolean,
    confidence: boolean,
    logits: boolean | Filter,
    weight: boolean,
  ): Promise<Sampled>
}

const TOP: Filter = [[], false, false, false, TOP_LOGITS]
const HIGHEST: Filter = [[], false, false, true, 0]
/** Share of the highest candidates that must be allowed for the others not to be asked. */
const ENOUGH = 0.5
/** Guesses in one call may be as many: so far back the grammar can be asked to go. */
const KEPT_STATES = 64
/** Leaves the highest logits as they are, as the wishes of `native-model.ts` do. */
const RAW = { temperature: 1, topK: TOP_LOGITS, topP: 1, minP: 0, seed: 0 }

/**
 * Takes over the sampling of the positions of `context` that are planned.
 * @param textOf the text that a sequence takes in, if it is one
 */
export function createCandidates(
  llama: Llama,
  model: LlamaModel,
  context: LlamaContext,
  textOf: (sequence: number) => ShapedText | undefined,
): Candidates {
  const { shared: SharedSampler, own: AddonSampler } = reuseSamplers(llama)
  const nativeModel = (model as unknown as { _model: object })._model
  const native = (context as unknown as { _ctx: NativeContext })._ctx
  const sample = native.sampleToken.bind(native)
  const plans = new WeakMap<readonly number[], { text: ShapedText; length: number }>()
  let controls: number[] | undefined

  const sampleToken: typeof sample = async (index, sampler, isProbable, isSure, logits, weight) => {
    const plan = Array.isArray(logits) ? plans.get(logits[0]) : undefined
    if (plan !== undefined) return plan.text.choose(index, plan.length)
    return sample(index, sampler, isProbable, isSure, logits, weight)
  }
  Object.defineProperty(native, 'sampleToken', { value: sampleToken })
  if (process.env.UV_THREADPOOL_SIZE === ONE_THREAD.UV_THREADPOOL_SIZE) {
    sampleBehind(native, (sequence, index) => textOf(sequence)?.sampleAhead(index))
  }

  /** Their text would count for the grammar, and nobody would see it. */
  function controlIds(): number[] {
    controls ??= [...model.iterateAllTokens()].filter(
      (id) => model.getTokenAttributes(id).control && !model.isEogToken(id),
    )
    return controls
  }

  return {
    plan(text, length) {
      const tokens: Token[] = []
      plans.set(tokens, { text, length })
      return { filter: { tokens, includeTop: TOP_LOGITS } }
    },
    async shape({ promptTokens, grammar, biasIds, biases, isSummed }) {
      const first = grammar === null ? undefined : await startGrammar(llama, model, grammar)
      /** Where the grammar is after so many ids; undefined after a guess that it does not allow. */
      const states = new Map([[promptTokens, first]])
      const samplers: NativeSampler[] = []
      const sampler = (config: Record<string, unknown>, Sampler = AddonSampler) => {
        const made = new Sampler(nativeModel)
        made.applyConfig(config)
        samplers.push(made)
        return made
      }
      const top =
        biasIds.length === 0
          ? sampler(RAW, SharedSampler)
          : sampler({ ...RAW, tokenBiasKeys: biasIds, tokenBiasValues: biases })
      const sum = isSummed ? sampler({ temperature: 0, seed: 0 }) : undefined
      const bans = first === undefined ? [] : controlIds()
      const banned = new Set(bans)
      const strict = first === undefined ? undefined : new AddonSampler(nativeModel)
      if (strict !== undefined) samplers.push(strict)
      const strictBias = {
        tokenBiasKeys: Uint32Array.of(...biasIds, ...bans),
        tokenBiasValues: Float32Array.of(...biases, ...bans.map(() => -Infinity)),
      }

      /**
       * The highest of all that the grammar allows; of the highest only, where these are most of what
       * the model wants: the grammar takes long to look at a whole vocabulary.
       */
      async function allowed(
        index: number,
        pairs: number[],
        state: LlamaGrammarEvaluationState | undefined,
      ): Promise<number[]> {
        if (state === undefined || strict === undefined) return pairs
        const highest = pairs[1] ?? 0
        const kept: number[] = []
        let [share, whole] = [0, 0]
        for (let at = 0; at < pairs.length; at += 2) {
          const [id, logit] = pairs.slice(at, at + 2) as [number, number]
          const weight = Math.exp(logit - highest)
          whole += weight
          if (banned.has(id)) continue
          const isNext = AddonSampler.canBeNextTokenForGrammarEvaluationState(nativeOf(state), id)
          if (!isNext) continue
          kept.push(id, logit)
          share += weight
        }
        if (share >= whole * ENOUGH) return kept
        // A copy, since sampling lets the grammar follow what it would draw.
        const grammarEvaluationState = nativeOf(state.clone())
        strict.applyConfig({ ...RAW, ...strictBias, grammarEvaluationState })
        const [, , , all = []] = await sample(index, strict, false, false, TOP, false)
        return all.filter((_, at) => Number.isFinite(all[at | 1]))
      }

      function follow(state: LlamaGrammarEvaluationState, id: number): boolean {
        if (model.isEogToken(id as Token) || banned.has(id)) return false
        if (!AddonSampler.canBeNextTokenForGrammarEvaluationState(nativeOf(state), id)) return false
        AddonSampler.acceptGrammarEvaluationStateToken(nativeOf(state), id)
        return true
      }

      let chosen: Promise<Sampled> = Promise.resolve([-1, undefined, undefined])
      let failure: unknown = new Error('the grammar allows no token here')
      const ahead = new Map<number, Promise<Sampled>>()
      const sampleTop = (index: number) => sample(index, top, false, false, TOP, false)

      async function candidatesOf(index: number, length: number): Promise<Sampled> {
        const early = ahead.get(index)
        ahead.delete(index)
        const [token, , , pairs = []] = await (early ?? sampleTop(index))
        const kept = await allowed(index, pairs, states.get(length))
        if (sum === undefined) return [token, undefined, undefined, kept]
        const [, , , highest, weight] = await sample(index, sum, false, false, HIGHEST, true)
        const logSum = (highest?.[1] ?? Number.NaN) + Math.log(weight ?? Number.NaN)
        return [token, undefined, undefined, kept, logSum]
      }

      return {
        promptTokens,
        isSummed,
        accept(at, ids, hasGuesses) {
          if (first === undefined) return
          for (const length of states.keys()) {
            if (length > Math.max(at, promptTokens) || length < at - KEPT_STATES)
              states.delete(length)
          }
          for (const [index, id] of ids.entries()) {
            const length = at + index
            if (length < promptTokens) continue
            const before = states.get(length)
            const state = hasGuesses ? before?.clone() : before
            // Native code ends the process at a token that the grammar does not allow.
            states.set(length + 1, state && follow(state, id) ? state : undefined)
          }
        },
        get failure() {
          return failure
        },
        sampleAhead(index) {
          const sampled = sampleTop(index)
          // Where the step fails, nobody asks for it.
          sampled.catch(() => {})
          ahead.set(index, sampled)
        },
        choose(index, length) {
          // One after the other: all positions of a batch share these samplers.
          chosen = chosen.then(() =>
            candidatesOf(index, length).catch((error: unknown): Sampled => {
              failure = error
              return [-1, undefined, undefined, []]
            }),
          )
          return chosen
        },
        dispose() {
          for (const made of samplers.splice(0)) made.dispose()
        },
      }
    },
  }
}

/**
 * Queues the sampling of wanted positions right behind the step that computes them. The one thread
 * that native work waits for takes it up with no way to JavaScript and back between the two, which
 * takes 0.4 ms a token. With more threads than one it would not wait for the step.
 */
function sampleBehind(
  native: NativeContext,
  sampleAhead: (sequence: number, index: number) => void,
): void {
  const addToBatch = native.addToBatch.bind(native)
  const decodeBatch = native.decodeBatch.bind(native)
  let wanted: [sequence: number, index: number][] = []
  const hooks: Pick<NativeContext, 'addToBatch' | 'decodeBatch'> = {
    addToBatch(sequence, ...rest) {
      const indexes = addToBatch(sequence, ...rest)
      for (const index of Array.from(indexes)) wanted.push([sequence, index])
      return indexes
    },
    decodeBatch() {
      const decoded = decodeBatch()
      for (const [sequence, index] of wanted) sampleAhead(sequence, index)
      wanted = []
      return decoded
    },
  }
  for (const [name, value] of Object.entries(hooks)) Object.defineProperty(native, name, { value })
}

async function startGrammar(
  llama: Llama,
  model: LlamaModel,
  text: string,
): Promise<LlamaGrammarEvaluationState> {
  try {
    const grammar = await llama.createGrammar({ grammar: text })
    return new LlamaGrammarEvaluationState({ model, grammar })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new GrammarError(why, { cause })
  }
}

function nativeOf(state: LlamaGrammarEvaluationState): unknown {
  return (state as unknown as { _state: unknown })._state
}
