import { basename } from 'node:path'
import { TOP_LOGITS } from '@freehold/core/engine/engine'
import {
  getLlama,
  getModuleVersion,
  type Llama,
  type LlamaContext,
  type LlamaContextSequence,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp'
import { type Candidates, createCandidates, type ShapedText } from './native-candidates.ts'
import { createNativeEmbedder } from './native-embedder.ts'
import { packLogits } from './pack-logits.ts'
import type { LoadedParts, LoadParams, LogLevel, PackedLogits, TextShape } from './protocol.ts'
import { reuseSamplers } from './reuse-samplers.ts'
import { ROUND_TOKENS } from './rounds.ts'

/** A model, its context and its open sequences inside the child process. */
export interface NativeModel {
  readonly parts: LoadedParts
  readonly model: LlamaModel
  /** Opens a sequence without ids, whatever an earlier text left in it. */
  open(sequence: number): Promise<void>
  close(sequence: number): Promise<void>
  /** Opens a sequence with what an earlier text left in it. @throws GrammarError */
  openText(sequence: number, shape: TextShape): Promise<void>
  closeText(sequence: number): void
  length(sequence: number): number
  /**
   * Makes a sequence hold `ids`, copied from another one or a file that begins with them if it still
   * does. Call it while nothing is computed.
   */
  copy(sequence: number, init: { from: number | string; ids: Uint32Array }): Promise<void>
  /** Writes what a sequence holds over a file. */
  save(sequence: number, path: string): Promise<void>
  /** Forgets all ids but the first `length`. */
  cutTo(sequence: number, length: number): Promise<void>
  /**
   * Takes `ids` in as one part of a batch.
   * @param hasGuesses beyond a prompt, they are part of an id and guesses of what follows it
   * @returns logits after each id from `logitsFrom` on
   */
  evaluate(
    sequence: number,
    ids: Uint32Array,
    logitsFrom: number,
    hasGuesses: boolean,
  ): Promise<PackedLogits | null>
  idsToEmbed(text: string): Uint32Array
  embed(ids: Uint32Array): Promise<Float32Array>
}

/** Raw top logits: temperature 1 and no other filter leave them as the model computed them. */
const RAW = { temperature: 1, topK: TOP_LOGITS, topP: 1, minP: 0 }
const WANT_LOGITS: Wish = {
  generateNext: { options: RAW, logits: { filter: { tokens: [], includeTop: TOP_LOGITS } } },
}

interface Wish {
  generateNext: {
    options: typeof RAW
    logits: { filter: { tokens: Token[]; includeTop: number } }
  }
}

/** llama.cpp's `llama_memory_seq_cp` on all cells; node-llama-cpp has it, but not in its types. */
interface CopyableSequence extends LlamaContextSequence {
  _copyStateFromOtherSequence?(other: LlamaContextSequence, length: number): Promise<boolean>
}

const KV_TYPES = { f16: 'F16', f32: 'F32', q8_0: 'Q8_0' } as const

/** llama.cpp rounds the context of a sequence up to a multiple of this. */
const CONTEXT_PAD = 256

/** Starts llama.cpp as shipped: builds nothing, downloads nothing. */
export async function startLlama(init: {
  useGpu: boolean
  isVerbose: boolean
  onLog: (level: LogLevel, line: string) => void
}): Promise<Llama> {
  return getLlama({
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    gpu: init.useGpu ? 'auto' : false,
    logLevel: init.isVerbose ? LlamaLogLevel.debug : LlamaLogLevel.error,
    logger: (level, line) => init.onLog(toLogLevel(level), line.trimEnd()),
  })
}

/** Loads a GGUF and makes room for its sequences. */
export async function loadNativeModel(llama: Llama, params: LoadParams): Promise<NativeModel> {
  const { path: modelPath, vocabOnly, threads } = params
  const usedBefore = await gpuUsed(llama)
  const model = await llama.loadModel({ modelPath, vocabOnly })
  if (vocabOnly) {
    const parts = await describe(llama, model, null)
    return createNativeModel({ llama, model, context: null, sequences: 0, parts, threads })
  }
  const contextTokens = Math.min(params.contextTokens, model.trainContextSize)
  if (contextTokens < 1) throw new Error('the file says that the model has no context')
  const context = await model.createContext({
    sequences: params.sequences,
    // One more than we fill: node-llama-cpp shifts the context when the last cell is left.
    contextSize: Math.ceil((contextTokens + 1) / CONTEXT_PAD) * CONTEXT_PAD,
    batchSize: ROUND_TOKENS,
    threads,
    flashAttention: params.flashAttn && model.flashAttentionSupported,
    experimentalKvCacheKeyType: KV_TYPES[params.kvType],
    experimentalKvCacheValueType: KV_TYPES[params.kvType],
    failedCreationRemedy: false,
    // When all feeds of a round are in the queue.
    batching: { dispatchSchedule: (dispatch) => process.nextTick(dispatch) },
  })
  const gpuBytes = Math.max(0, (await gpuUsed(llama)) - usedBefore)
  const flashAttn = context.flashAttention === true
  const made = { flashAttn, contextTokens, canRewind: true, gpuBytes }
  const sequence = context.getSequence()
  made.canRewind = !sequence.needsCheckpoints
  await sequence.dispose()
  const parts = await describe(llama, model, made)
  const { sequences } = params
  return createNativeModel({ llama, model, context, sequences, parts, threads })
}

function createNativeModel(init: {
  llama: Llama
  model: LlamaModel
  context: LlamaContext | null
  sequences: number
  parts: LoadedParts
  threads: number
}): NativeModel {
  const { llama, model, context, parts, threads } = init
  reuseSamplers(llama)
  // Made once and in order, so that llama.cpp gives each the number that it has here.
  const made = Array.from({ length: init.sequences }, () =>
    context?.getSequence({ contextShift: { strategy: refuseShift } }),
  )
  const sequences = new Map<number, LlamaContextSequence>()
  const texts = new Map<number, ShapedText>()
  /** llama.cpp copies cells when it computes next, and until then these must not change. */
  const copiedFrom = new Set<number>()
  let candidates: Candidates | undefined
  const embedder = createNativeEmbedder(model, { contextTokens: parts.contextTokens ?? 0, threads })

  function begin(sequence: number): void {
    const found = made[sequence]
    if (found === undefined) throw new Error(`there is no sequence ${sequence}`)
    sequences.set(sequence, found)
  }

  function closeText(sequence: number): void {
    texts.get(sequence)?.dispose()
    texts.delete(sequence)
  }

  async function close(sequence: number): Promise<void> {
    closeText(sequence)
    const found = sequences.get(sequence)
    sequences.delete(sequence)
    await found?.clearHistory()
  }

  /** What is wanted of the position after the first `length` ids of `text`. */
  function wish(text: ShapedText | undefined, length: number): Wish {
    if (text === undefined || candidates === undefined) return WANT_LOGITS
    return { generateNext: { options: RAW, logits: candidates.plan(text, length) } }
  }

  function find(sequence: number): LlamaContextSequence {
    const found = sequences.get(sequence)
    if (found === undefined) throw new Error(`sequence ${sequence} is not open`)
    return found
  }

  return {
    parts,
    model,
    async open(sequence) {
      await close(sequence)
      begin(sequence)
    },
    close,
    async openText(sequence, shape) {
      if (!sequences.has(sequence)) begin(sequence)
      candidates ??=
        context === null
          ? undefined
          : createCandidates(llama, model, context, (number) => texts.get(number))
      const text = await candidates?.shape(shape)
      if (text !== undefined) texts.set(sequence, text)
    },
    closeText,
    length: (sequence) => find(sequence).nextTokenIndex,
    async copy(sequence, { from, ids }) {
      const target: CopyableSequence = find(sequence)
      if (typeof from === 'string') {
        if (!copiedFrom.has(sequence) && (await loadState(target, from, ids))) return
      } else {
        const source = sequences.get(from)
        if (source !== undefined && ids.every((id, at) => source.contextTokens[at] === id)) {
          copiedFrom.add(from)
          if (await target._copyStateFromOtherSequence?.(source, ids.length)) return
        }
      }
      // It is gone meanwhile, or a later version of node-llama-cpp copies no more.
      await target.clearHistory()
      await target.controlledEvaluate(Array.from(ids) as Token[])
    },
    async save(sequence, path) {
      await find(sequence).saveStateToFile(path)
    },
    async cutTo(sequence, length) {
      const found = find(sequence)
      // Without room for doubt: shifted cells would not be what the same ids give when computed.
      await found.adaptStateToTokens(found.contextTokens.slice(0, length), false)
      if (found.nextTokenIndex !== length)
        throw new Error('the sequence cannot forget its last ids')
    },
    async evaluate(sequence, ids, logitsFrom, hasGuesses) {
      const found = find(sequence)
      const text = texts.get(sequence)
      const at = found.nextTokenIndex
      text?.accept(at, ids, hasGuesses)
      const input = Array.from(ids, (id, index): Token | [Token, Wish] =>
        index < logitsFrom ? (id as Token) : [id as Token, wish(text, at + index + 1)],
      )
      const output = await found.controlledEvaluate(input)
      copiedFrom.clear()
      if (logitsFrom >= ids.length) return null
      const positions: ReadonlyMap<number, number>[] = []
      const logSums: number[] = []
      for (let index = logitsFrom; index < ids.length; index++) {
        const next = output[index]?.next
        if (next?.logits === undefined) throw new Error('llama.cpp gave no logits')
        // What follows a guess counts only if it is right.
        if (text !== undefined && next.logits.size === 0 && index === logitsFrom) throw text.failure
        positions.push(next.logits)
        logSums.push(next.totalLogitWeight ?? Number.NaN)
      }
      const packed = packLogits(positions)
      return text?.isSummed ? { ...packed, logSums: Float64Array.from(logSums) } : packed
    },
    idsToEmbed: (text) => embedder.idsOf(text),
    embed: (ids) => embedder.embed(ids),
  }
}

/** @returns whether the sequence holds `ids` now, and no more */
async function loadState(
  sequence: LlamaContextSequence,
  path: string,
  ids: Uint32Array,
): Promise<boolean> {
  try {
    // Its digest was checked: it is what a model with the same digest and settings wrote.
    await sequence.loadStateFromFile(path, { acceptRisk: true })
    if (!ids.every((id, at) => sequence.contextTokens[at] === id)) return false
    await sequence.adaptStateToTokens(sequence.contextTokens.slice(0, ids.length), false)
    return sequence.nextTokenIndex === ids.length
  } catch {
    return false
  }
}

function refuseShift(): never {
  throw new Error('the context is full')
}

async function describe(
  llama: Llama,
  model: LlamaModel,
  context: Pick<LoadedParts, 'contextTokens' | 'flashAttn' | 'canRewind' | 'gpuBytes'> | null,
): Promise<LoadedParts> {
  const endIds = new Set<number>()
  for (const id of model.iterateAllTokens()) if (model.isEogToken(id)) endIds.add(id)
  for (const id of [model.tokens.eos, model.tokens.eot]) if (id !== null) endIds.add(id)
  return {
    contextTokens: context?.contextTokens ?? null,
    bosText: model.tokens.bosString ?? '',
    eosText: model.tokens.eosString ?? '',
    endIds: [...endIds].sort((a, b) => a - b),
    backend: llama.gpu === false ? 'cpu' : llama.gpu,
    isa: llama.gpu === false ? loadedIsa() : await gpuFamily(llama),
    flashAttn: context?.flashAttn ?? false,
    canRewind: context?.canRewind ?? false,
    gpuBytes: context?.gpuBytes ?? 0,
    release: llama.llamaCppRelease.release,
    moduleVersion: await getModuleVersion(),
  }
}

/** The instruction set that the loaded `ggml-cpu` library was built for. */
function loadedIsa(): string {
  // `process.report` lists shared libraries on each platform; without network it opens no socket.
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as unknown as { sharedObjects: string[] }
  for (const path of report.sharedObjects) {
    const isa = /^(?:lib)?ggml-cpu-(.+)\.(?:so|dll|dylib)$/.exec(basename(path))?.[1]
    if (isa !== undefined) return isa
  }
  return process.arch
}

/** Bytes in use of the GPUs' own memory. */
async function gpuUsed(llama: Llama): Promise<number> {
  if (llama.gpu === false) return 0
  const { used, unifiedSize } = await llama.getVramState()
  return unifiedSize > 0 ? 0 : used
}

async function gpuFamily(llama: Llama): Promise<string> {
  const [name] = await llama.getGpuDeviceNames()
  return name ?? process.arch
}

function toLogLevel(level: LlamaLogLevel): LogLevel {
  if (level === LlamaLogLevel.fatal || level === LlamaLogLevel.error) return 'error'
  if (level === LlamaLogLevel.warn) return 'warn'
  return level === LlamaLogLevel.info ? 'info' : 'debug'
}
