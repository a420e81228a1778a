import { EngineError } from '@freehold/core/errors'
import { type LoadModelConfig, Wllama, WllamaError } from '@wllama/wllama/esm/index.js'

/** Lines of llama.cpp that are kept to explain what went wrong. */
const KEPT_LINES = 3

export interface WllamaWorkerInit {
  /** URLs of the two builds; without `multi` one thread computes. */
  wasm: { single: string; multi?: string | undefined }
  /** Called with each line of llama.cpp. */
  log?: ((line: string) => void) | undefined
}

/** llama.cpp in a web worker of its own, which holds one model. */
export interface WllamaWorker extends AsyncDisposable {
  /** @throws what wllama throws; `lastErrors` may say more */
  load(blob: Blob, config: LoadModelConfig): Promise<void>
  /**
   * Calls llama.cpp. Calls must not overlap if they belong together.
   * @throws EngineError; when native code crashed, all later calls do too
   */
  call<T>(use: (llama: Wllama) => Promise<T>): Promise<T>
  /** Called once when the worker has died or was closed. */
  onEnd(listener: (reason: EngineError) => void): void
  /** What llama.cpp complained about last. */
  lastErrors(): string
}

/** Starts nothing yet: `load` starts the worker. */
export function createWllamaWorker({ wasm, log }: WllamaWorkerInit): WllamaWorker {
  const errors: string[] = []
  const listeners: ((reason: EngineError) => void)[] = []
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  let end: EngineError | undefined
  let closing: Promise<void> | undefined
  const note = (...parts: unknown[]) => log?.(parts.map(String).join(' ').trimEnd())
  const complain = (...parts: unknown[]) => {
    const [first] = parts
    // wllama hands the worker's own `error` event to its logger, and tells nobody else.
    if (first instanceof Event) return die((first as ErrorEvent).message || 'its worker failed')
    errors.push(parts.map(String).join(' ').trimEnd())
    if (errors.length > KEPT_LINES) errors.shift()
    note(...parts)
  }
  const paths = { 'single-thread/wllama.wasm': wasm.single }
  const llama = new Wllama(
    wasm.multi === undefined ? paths : { ...paths, 'multi-thread/wllama.wasm': wasm.multi },
    { logger: { debug: note, log: note, warn: note, error: complain } },
  )

  function finish(reason: EngineError): void {
    if (end !== undefined) return
    end = reason
    ended.reject(reason)
    for (const listener of listeners) listener(reason)
  }

  function die(why: string): void {
    finish(
      new EngineError({
        what: 'llama.cpp died in its worker',
        why: [why, ...errors].join(' | '),
        next: 'The page goes on; load the model again.',
      }),
    )
    void exit()
  }

  /** Ends the worker, after what it is computing now; memory is given back then. */
  function exit(): Promise<void> {
    closing ??= llama.exit().catch(() => {})
    return closing
  }

  return {
    load: (blob, config) => Promise.race([llama.loadModel([blob], config), ended.promise]),
    async call(use) {
      if (end !== undefined) throw end
      try {
        return await Promise.race([use(llama), ended.promise])
      } catch (error) {
        if (end !== undefined) throw end
        const why = error instanceof Error ? error.message : String(error)
        // wllama's own errors leave native code as it was; anything else is a trap or an abort.
        if (!(error instanceof WllamaError)) die(why)
        throw end ?? new EngineError({ what: 'the engine could not compute', why, cause: error })
      }
    },
    onEnd(listener) {
      if (end === undefined) listeners.push(listener)
      else listener(end)
    },
    lastErrors: () => errors.join(' | '),
    async [Symbol.asyncDispose]() {
      finish(new EngineError({ what: 'the model was closed' }))
      await exit()
    },
  }
}
