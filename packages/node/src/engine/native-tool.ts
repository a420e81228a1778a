import { EngineError } from '@freehold/core/errors'
import { collectLines } from './collect-lines.ts'
import { forkChild } from './fork-child.ts'
import type { NativeQuantiseInit } from './quantise-natively.ts'

/** What the short-lived child for single native calls can do. */
export interface NativeTools {
  /** Asks libraries of ggml how well they suit this CPU; 0 means not at all. */
  score: { params: { libraries: string[] }; result: number[] }
  /** Runs `llama_model_quantize`; a dry run writes nothing and says the sizes. */
  quantise: { params: NativeQuantiseInit; result: null }
}

export type NativeToolRequest = {
  [Tool in keyof NativeTools]: { tool: Tool } & NativeTools[Tool]['params']
}[keyof NativeTools]

export type NativeToolReply = { result: NativeTools[keyof NativeTools]['result'] } | { why: string }

/**
 * Runs one native call in a child process of its own, which may crash without harm.
 * @throws EngineError when the call fails or the child dies; the signal's reason when aborted
 */
export async function runNativeTool<Tool extends keyof NativeTools>(
  tool: Tool,
  params: NativeTools[Tool]['params'],
  init: {
    signal?: AbortSignal | undefined
    /** Called with each line that native code says. */
    onLine?: ((line: string) => void) | undefined
  } = {},
): Promise<NativeTools[Tool]['result']> {
  init.signal?.throwIfAborted()
  const child = forkChild('native-tool-child')
  const errors = collectLines(child.stderr, (line) => init.onLine?.(line))
  child.stdout?.resume()
  const { promise, resolve } = Promise.withResolvers<NativeToolReply>()
  const onAbort = () => child.kill('SIGKILL')
  let reply: NativeToolReply | undefined
  child.on('message', (message: NativeToolReply) => {
    reply = message
    child.disconnect()
  })
  child.on('error', (error) => resolve({ why: error.message }))
  child.on('exit', (code, signal) => resolve(reply ?? { why: signal ?? `exit status ${code}` }))
  init.signal?.addEventListener('abort', onAbort, { once: true })
  child.send({ tool, ...params }, () => {})
  try {
    const outcome = await promise
    init.signal?.throwIfAborted()
    await errors.ended
    if ('result' in outcome) return outcome.result as NativeTools[Tool]['result']
    throw new EngineError({
      what: `llama.cpp failed to ${tool}`,
      why: [outcome.why, errors.last()].filter((text) => text !== '').join(' – '),
    })
  } finally {
    init.signal?.removeEventListener('abort', onAbort)
  }
}
