/**
 * A child process that measures one model on a text. The engine's own child gives the top logits alone;
 * perplexity needs what all the others weigh together.
 */
import type { Llama, LlamaContextSequence, LlamaModel, Token } from 'node-llama-cpp'
import { hookLlama } from './llama-hooks.ts'
import { COMPARED, type Measured, type MeasureReply, type MeasureRequest } from './measure.ts'

/** Tokens in one stretch of the text: each stretch begins anew. */
const CHUNK_TOKENS = 256

/** Evaluated at once. */
const SLICE_TOKENS = 64

/** For the speed: so many tokens or so long, whatever comes first. */
const TIMED_TOKENS = 64
const TIMED_MS = 2_000

const RAW = { temperature: 1, topK: 0, topP: 1, minP: 0 } as const

async function measure(request: MeasureRequest): Promise<Measured> {
  const { startLlama } = await import('./native-model.ts')
  const llama: Llama = await startLlama({ useGpu: false, isVerbose: false, onLog: () => {} })
  const model = await llama.loadModel({ modelPath: request.path })
  const context = await model.createContext({
    contextSize: 2 * CHUNK_TOKENS,
    batchSize: SLICE_TOKENS,
    threads: request.threads,
    failedCreationRemedy: false,
  })
  const sequence = context.getSequence()
  const chunks = request.chunks ?? split(model, request.text, request.maxTokens)
  const positions = chunks.reduce((sum, chunk) => sum + chunk.length - 1, 0)
  const width = Math.min(COMPARED, model.fileInfo.metadata.tokenizer.ggml.tokens.length)
  const measured: Measured = {
    chunks,
    width,
    ids: new Uint32Array(positions * width),
    logits: new Float32Array(positions * width),
    logSums: new Float64Array(positions),
    nextLogits: new Float64Array(positions),
    topIds: new Uint32Array(positions),
    tokensPerSecond: 0,
  }
  let at = 0
  for (const chunk of chunks) {
    await sequence.clearHistory()
    for (let from = 0; from < chunk.length - 1; from += SLICE_TOKENS) {
      const slice = chunk.slice(from, Math.min(from + SLICE_TOKENS, chunk.length - 1))
      const next = chunk.slice(from + 1, from + 1 + slice.length)
      const wanted = request.ids?.subarray(at * width, (at + slice.length) * width)
      await evaluate(sequence, measured, at, slice, next, wanted)
      at += slice.length
      send({ done: at, of: positions })
    }
  }
  measured.tokensPerSecond = await time(sequence, chunks)
  return measured
}

/** Notes what the model says after each id of a slice. */
async function evaluate(
  sequence: LlamaContextSequence,
  measured: Measured,
  at: number,
  slice: Uint32Array,
  next: Uint32Array,
  wanted: Uint32Array | undefined,
): Promise<void> {
  const { width } = measured
  const input = Array.from(slice, (id, index) => {
    const own = wanted?.subarray(index * width, (index + 1) * width) ?? []
    const tokens = [...own, next[index] as number] as Token[]
    const filter = { tokens, includeTop: wanted === undefined ? width : 1 }
    const generateNext = { options: RAW, logits: { filter }, totalLogitWeight: true }
    return [id as Token, { generateNext }] as [Token, { generateNext: typeof generateNext }]
  })
  const output = await sequence.controlledEvaluate(input)
  for (let index = 0; index < slice.length; index++) {
    const { logits, totalLogitWeight } = output[index]?.next ?? {}
    if (logits === undefined || totalLogitWeight === undefined) throw new Error('no logits came')
    const found = logits as ReadonlyMap<number, number>
    const [top] = [...found].sort((a, b) => b[1] - a[1] || a[0] - b[0])
    const position = at + index
    const ids =
      wanted?.subarray(index * width, (index + 1) * width) ?? [...found.keys()].slice(0, width)
    for (const [rank, id] of ids.entries()) {
      measured.ids[position * width + rank] = id
      measured.logits[position * width + rank] = found.get(id) ?? Number.NaN
    }
    if (top === undefined || !Number.isFinite(top[1])) throw new Error('a logit is no number')
    measured.topIds[position] = top[0]
    measured.nextLogits[position] = found.get(next[index] as number) ?? Number.NaN
    measured.logSums[position] = top[1] + Math.log(totalLogitWeight)
  }
}

/** Tokens a second, one at a time. */
async function time(sequence: LlamaContextSequence, chunks: readonly Uint32Array[]) {
  const ids = chunks[0] ?? new Uint32Array()
  await sequence.clearHistory()
  await sequence.controlledEvaluate([ids[0] as Token])
  const startedMs = performance.now()
  let [tokens, passedMs] = [0, 0]
  while (tokens < TIMED_TOKENS && passedMs < TIMED_MS) {
    const id = ids[1 + (tokens % (ids.length - 1))] as Token
    await sequence.controlledEvaluate([[id, { generateNext: { token: true } }]])
    tokens++
    passedMs = performance.now() - startedMs
  }
  return (1_000 * tokens) / passedMs
}

function split(model: LlamaModel, text: string, maxTokens: number): Uint32Array[] {
  const ids = model.tokenize(text, false).slice(0, maxTokens)
  const first = model.tokens.shouldPrependBosToken ? [model.tokens.bos as number] : []
  const chunks: Uint32Array[] = []
  const step = CHUNK_TOKENS - first.length
  for (let from = 0; from < ids.length; from += step) {
    chunks.push(Uint32Array.from([...first, ...(ids.slice(from, from + step) as number[])]))
  }
  return chunks.filter((chunk) => chunk.length > 1)
}

function send(reply: MeasureReply): void {
  if (process.connected) process.send?.(reply)
}

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.on('message', (request: MeasureRequest) => {
  hookLlama(undefined)
  measure(request).then(
    (measured) => send({ measured }),
    (error: unknown) => send({ why: error instanceof Error ? error.message : String(error) }),
  )
})
