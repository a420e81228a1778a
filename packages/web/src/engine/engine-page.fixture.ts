import type { ModelInfo } from '@freehold/core/engine/engine'

/** What the Node side may ask of the engine in `open-engine.page.ts`. A whole feed is one message. */
export interface EnginePage {
  /** Loads the one model of this page. */
  load(url: string): Promise<ModelInfo>
  tokenize(text: string, special: boolean): Promise<number[]>
  detokenize(ids: readonly number[]): Promise<string>
  /** @param sequence a number for it */
  open(sequence: number): Promise<void>
  feed(
    sequence: number,
    ids: readonly number[],
    logitsFrom: number,
  ): Promise<{ ids: number[]; logits: number[] }[]>
  close(sequence: number): Promise<void>
}
