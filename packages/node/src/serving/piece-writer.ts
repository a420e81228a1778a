import type { TokenBytes } from '@freehold/core/engine/token-bytes'
import type { TextLogits } from '../engine/text-sequences.ts'
import type { GeneratedPiece, GenerationInit, TokenLogprob } from './generation.ts'
import { createStopText } from './stop-text.ts'

/** Turns drawn tokens into pieces of certain text. */
export interface PieceWriter {
  /** @returns what is certain now, and which stop text ended it; null: nothing new to show */
  /** @param top what it was drawn from; wanted for `topLogprobs` only */
  push(
    id: number,
    top: TextLogits | null,
  ): { piece: GeneratedPiece | null; stopText: string | null }
  /** @returns what was held back. Bytes of a character that is not complete are left out. */
  end(): GeneratedPiece | null
}

export interface PieceWriterInit extends Pick<GenerationInit, 'sampling' | 'stop' | 'topLogprobs'> {
  bytes: TokenBytes
}

export function createPieceWriter(init: PieceWriterInit): PieceWriter {
  const { bytes, stop, topLogprobs, sampling } = init
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const stopText = createStopText(stop)
  let ids: number[] = []
  let logprobs: NonNullable<GeneratedPiece['logprobs']>[number][] = []

  function logprobOf(id: number, logit: number, logSum: number): TokenLogprob {
    const raw = logit - (sampling.logitBias.get(id) ?? 0)
    return { id, bytes: bytes.of(id), logprob: Math.min(0, raw - logSum) }
  }

  function describe(id: number, top: TextLogits, count: number): (typeof logprobs)[number] {
    const all = Array.from(top.ids, (other, index) =>
      logprobOf(other, top.logits[index] as number, top.logSum),
    )
    const own = all.find((other) => other.id === id) as TokenLogprob
    return { ...own, top: all.sort((a, b) => b.logprob - a.logprob).slice(0, count) }
  }

  function take(text: string): GeneratedPiece {
    const piece = { text, ids, logprobs: topLogprobs === undefined ? null : logprobs }
    ids = []
    logprobs = []
    return piece
  }

  return {
    push(id, top) {
      ids.push(id)
      if (topLogprobs !== undefined && top !== null) logprobs.push(describe(id, top, topLogprobs))
      const shown = stopText.push(decoder.decode(bytes.of(id), { stream: true }))
      const isNew = shown.text !== '' || shown.stop !== null
      return { piece: isNew ? take(shown.text) : null, stopText: shown.stop }
    },
    end() {
      const text = stopText.end()
      return text === '' && ids.length === 0 ? null : take(text)
    },
  }
}
