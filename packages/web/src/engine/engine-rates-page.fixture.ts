/** One answer of so many tokens, end or no end. */
export interface RateInit {
  prompt: string
  tokens: number
}

/** What the Node side may ask of `engine-rates.page.ts`. */
export interface EngineRatesPage {
  /** Loads the model once into our engine and once into wllama by itself. @param url of a GGUF */
  load(url: string): Promise<{ modelBytes: number; engine: string }>
  /** Our engine and our seeded sampler, through core's interface. @returns ms a token */
  own(init: RateInit): Promise<number>
  /** wllama and its own sampler. @returns ms a token */
  bare(init: RateInit): Promise<number>
  /** Loads the model into our engine alone. */
  loadOwn(url: string): Promise<void>
}
