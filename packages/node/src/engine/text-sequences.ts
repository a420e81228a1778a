import type { ModelInfo, TopLogits } from '@freehold/core/engine/engine'
import { createFedSequence, type FedSequence } from '@freehold/core/engine/fed-sequence'
import type { Slots } from '@freehold/core/engine/slots'
import type { DrawRules } from './draw-tokens.ts'
import type { EngineProcess } from './engine-process.ts'
import { packText, unpackTexts } from './pack-logits.ts'
import type { PrefixFiles } from './prefix-files.ts'
import type { Drawn, TextShape } from './protocol.ts'
import { createTold } from './told.ts'

/** Candidates of one position of a text: the highest logits, biased, that the grammar allows. */
export interface TextLogits extends TopLogits {
  /** The logarithm of the sum of e^logit over the vocabulary, without biases, where it is wanted. */
  readonly logSum: number
}

/**
 * A sequence for a text that nobody audits. It may begin with what an earlier text computed, and can
 * forget its last ids.
 */
export interface TextSequence extends FedSequence<TextLogits> {
  /** How many of the prompt's first ids it holds already; never all. */
  readonly cachedTokens: number
  /**
   * Draws an answer after the ids that were taken in, whether or not its reader keeps up: at most
   * `maxTokens` wait. Nothing else can be taken in afterwards; ending it early stops the work within
   * one token.
   * @param top logits after those ids
   */
  draw(top: TextLogits, init: DrawTextInit): AsyncGenerator<Drawn, void, void>
}

export interface DrawTextInit extends DrawRules {
  /** Takes in more than one token at once, where the text may go on as it did before. */
  isGuessing: boolean
  /** Tells with each token what it was drawn from. */
  isShown: boolean
  signal: AbortSignal
}

export interface OpenTextInit {
  promptIds: readonly number[]
  /** GBNF. @throws UsageError when it is no grammar */
  grammar?: string | undefined
  /** Added to the logits of these ids before the highest are taken. */
  bias?: ReadonlyMap<number, number> | undefined
  /** Wants `logSum`, which takes one more look at all logits. @default false */
  isSummed?: boolean | undefined
  signal?: AbortSignal | undefined
}

export interface TextSequences {
  /** Opens the free sequence that holds most of the prompt, waiting while all are taken. */
  open(init: OpenTextInit): Promise<TextSequence>
  /** The free sequence whose loss matters least. */
  leastMissed(free: readonly number[]): number
  /** Keeps what free sequences hold in files. */
  save(): Promise<void>
  /** What `slot` held is gone. */
  forget(slot: number): void
}

export interface TextSequencesInit {
  process: EngineProcess
  info: ModelInfo
  slots: Slots
  /** Whether a sequence can forget its last ids. */
  canRewind: boolean
  /** Where texts are kept when the model is unloaded. */
  files?: PrefixFiles | undefined
}

/** Shorter beginnings are had by chance, and not worth what another text left. */
const WORTH_TOKENS = 8

/** Copying moves all cells of a sequence, so it must spare more. */
const WORTH_COPYING_TOKENS = 32
/** A file is hashed and read. */
const WORTH_LOADING_TOKENS = 64

/** What a new text begins with. */
interface Start {
  cachedTokens: number
  /** Another sequence, or a file, that holds these where its own does not. */
  from: number | string | null
}

/**
 * Remembers what finished texts left in free sequences, and begins new ones there; or with a copy of
 * what a running one holds, or an idle one that need not lose its end for it.
 */
export function createTextSequences(init: TextSequencesInit): TextSequences {
  const { process, info, slots, canRewind, files } = init
  /** Ids that the free sequences hold. */
  const left = new Map<number, readonly number[]>()
  /** Ids that texts in the other sequences took in. */
  const running = new Map<number, () => readonly number[]>()

  function reusable(slot: number, promptIds: readonly number[]): number {
    const held = left.get(slot) ?? []
    const same = sameIds(held, promptIds)
    return canRewind || same === held.length ? same : 0
  }

  function leastMissed(free: readonly number[]): number {
    return free.find((slot) => (left.get(slot)?.length ?? 0) === 0) ?? (free[0] as number)
  }

  function mostHeld(free: readonly number[], promptIds: readonly number[]): number {
    let best = leastMissed(free)
    let most = WORTH_TOKENS - 1
    for (const slot of free) {
      const held = reusable(slot, promptIds)
      if (held > most) [best, most] = [slot, held]
    }
    // Another conversation with the same beginning: it goes on in a place that holds nothing.
    const isOther = most < (left.get(best)?.length ?? 0) / 2 && most >= WORTH_COPYING_TOKENS
    const empty = free.find((slot) => !left.has(slot))
    return canRewind && isOther && empty !== undefined ? empty : best
  }

  /** Where the beginning of a text in `slot` comes from. */
  function startIn(slot: number, promptIds: readonly number[]): Start {
    let cachedTokens = reusable(slot, promptIds)
    let from: Start['from'] = null
    if (!canRewind) return { cachedTokens, from }
    const others = new Map([...left, ...[...running].map(([key, held]) => [key, held()] as const)])
    let most = cachedTokens + WORTH_COPYING_TOKENS
    for (const [other, held] of others) {
      const same = other === slot ? 0 : sameIds(held, promptIds)
      if (same < most) continue
      most = same + 1
      cachedTokens = same
      from = other
    }
    return { cachedTokens, from }
  }

  /** The same, from a file where that spares enough. */
  async function inFile(start: Start, promptIds: readonly number[]): Promise<Start> {
    const found = (files?.all ?? [])
      .map((file) => ({ file, same: sameIds(file.ids, promptIds) }))
      .filter(({ file, same }) => canRewind || same === file.ids.length)
      .filter(({ same }) => same >= start.cachedTokens + WORTH_LOADING_TOKENS)
      .sort((a, b) => b.same - a.same)
    for (const { file, same } of found) {
      if (await files?.isSound(file)) return { cachedTokens: same, from: file.path }
    }
    return start
  }

  async function save(): Promise<void> {
    // The latest last: it stays for longest.
    for (const [sequence, ids] of left) {
      if (ids.length < WORTH_LOADING_TOKENS) continue
      await files?.save(ids, (path) => process.call('save', { sequence, path }).result)
    }
  }

  async function open(openInit: OpenTextInit): Promise<TextSequence> {
    const { promptIds, signal, grammar = null, bias = new Map(), isSummed = false } = openInit
    const slot = await slots.take(signal, (free) => mostHeld(free, promptIds))
    const { cachedTokens, from } = await inFile(startIn(slot, promptIds), promptIds)
    const shape: TextShape = {
      promptTokens: promptIds.length,
      grammar,
      biasIds: Uint32Array.from(bias.keys()),
      biases: Float32Array.from(bias.values()),
      isSummed,
    }
    try {
      await process.call('openText', { sequence: slot, shape }).result
    } catch (error) {
      slots.give(slot)
      throw error
    }
    const held = promptIds.slice(0, cachedTokens)
    left.delete(slot)
    let copy = from === null ? undefined : { from, ids: Uint32Array.from(held) }
    let isBroken = false
    /** Ids that an answer added to those that were fed. */
    let drawn: Promise<readonly number[]> = Promise.resolve([])
    const sequence = createFedSequence<TextLogits>({
      contextTokens: info.contextTokens,
      vocabSize: info.vocabSize,
      heldTokens: cachedTokens,
      feed(ids, logitsFrom, onSlice, at) {
        held.length = at
        held.push(...ids)
        const params = { sequence: slot, ids: Uint32Array.from(ids), logitsFrom, at, copy }
        copy = undefined
        const call = process.call('feed', params, ({ done, length, logits }) => {
          const positions = logits === null ? [] : unpackTexts(logits)
          onSlice({ done, length, positions })
        })
        // Also when it was only cancelled; then as many as are told of are in.
        call.result.catch(() => {
          if (!signal?.aborted) isBroken = true
        })
        return call
      },
      async close() {
        const added = await drawn
        running.delete(slot)
        // Nothing was copied, so what an earlier text left is there still.
        if (copy !== undefined) isBroken = true
        await process
          .call(isBroken ? 'close' : 'closeText', { sequence: slot })
          .result.catch(() => {})
        if (!isBroken) left.set(slot, [...held.slice(0, sequence.length), ...added])
        slots.give(slot)
      },
    })
    running.set(slot, () => (copy === undefined ? held.slice(0, sequence.length) : []))
    async function* draw(
      top: TextLogits,
      drawInit: DrawTextInit,
    ): AsyncGenerator<Drawn, void, void> {
      const { signal, ...rules } = drawInit
      signal.throwIfAborted()
      const told = createTold<Drawn>()
      const params = { ...rules, sequence: slot, at: sequence.length, top: packText(top) }
      const call = process.call('draw', params, told.push)
      drawn = call.result.then(
        (ids) => Array.from(ids),
        () => {
          isBroken = true
          return []
        },
      )
      call.result.then(() => told.end(), told.end)
      const onAbort = () => told.end(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        yield* told.read()
      } finally {
        signal.removeEventListener('abort', onAbort)
        call.cancel()
      }
    }

    return Object.defineProperties(sequence as TextSequence, {
      cachedTokens: { value: cachedTokens, enumerable: true },
      draw: { value: draw },
    })
  }

  return { open, save, leastMissed, forget: (slot) => left.delete(slot) }
}

/** How many of the prompt's first ids `held` begins with; never all, since logits follow the last. */
function sameIds(held: readonly number[], promptIds: readonly number[]): number {
  const limit = Math.min(held.length, promptIds.length - 1)
  let same = 0
  while (same < limit && held[same] === promptIds[same]) same++
  return same
}
