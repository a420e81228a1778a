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
import { packLogits } from './pack-logits.ts'
import type { LoadedParts, LoadParams, LogLevel, PackedLogits } from './protocol.ts'
import { ROUND_TOKENS } from './rounds.ts'

/** A model, its context and its open sequences inside the child process. */
export interface NativeModel {
  readonly parts: LoadedParts
  readonly model: LlamaModel
  open(sequence: number): void
  close(sequence: number): Promise<void>
  length(sequence: number): number
  /** Takes `ids` in as one part of a batch. @returns logits after each id from `logitsFrom` on */
  evaluate(sequence: number, ids: Uint32Array, logitsFrom: number): Promise<PackedLogits | null>
}

/** Raw top logits: temperature 1 and no other filter leave them as the model computed them. */
const WANT_LOGITS = {
  generateNext: {
    options: { temperature: 1, topK: TOP_LOGITS, topP: 1, minP: 0 },
    logits: { filter: { tokens: [], includeTop: TOP_LOGITS } },
  },
} as const

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
  const { path: modelPath, vocabOnly } = params
  const model = await llama.loadModel({ modelPath, vocabOnly })
  if (vocabOnly) return createNativeModel(model, null, await describe(llama, model, null))
  const contextTokens = Math.min(params.contextTokens, model.trainContextSize)
  if (contextTokens < 1) throw new Error('the file says that the model has no context')
  const context = await model.createContext({
    sequences: params.sequences,
    // One more than we fill: node-llama-cpp shifts the context when the last cell is left.
    contextSize: Math.ceil((contextTokens + 1) / CONTEXT_PAD) * CONTEXT_PAD,
    batchSize: ROUND_TOKENS,
    threads: params.threads,
    flashAttention: params.flashAttn && model.flashAttentionSupported,
    failedCreationRemedy: false,
  })
  const made = { flashAttn: context.flashAttention === true, contextTokens }
  return createNativeModel(model, context, await describe(llama, model, made))
}

function createNativeModel(
  model: LlamaModel,
  context: LlamaContext | null,
  parts: LoadedParts,
): NativeModel {
  const sequences = new Map<number, LlamaContextSequence>()

  function find(sequence: number): LlamaContextSequence {
    const found = sequences.get(sequence)
    if (found === undefined) throw new Error(`sequence ${sequence} is not open`)
    return found
  }

  return {
    parts,
    model,
    open(sequence) {
      if (context === null) throw new Error('only the vocabulary is loaded')
      sequences.set(sequence, context.getSequence({ contextShift: { strategy: refuseShift } }))
    },
    async close(sequence) {
      const found = find(sequence)
      sequences.delete(sequence)
      await found.dispose()
    },
    length: (sequence) => find(sequence).nextTokenIndex,
    async evaluate(sequence, ids, logitsFrom) {
      const input = Array.from(ids, (id, index): Token | [Token, typeof WANT_LOGITS] =>
        index < logitsFrom ? (id as Token) : [id as Token, WANT_LOGITS],
      )
      const output = await find(sequence).controlledEvaluate(input)
      if (logitsFrom >= ids.length) return null
      const positions: ReadonlyMap<number, number>[] = []
      for (let index = logitsFrom; index < ids.length; index++) {
        const logits = output[index]?.next.logits
        if (logits === undefined) throw new Error('llama.cpp gave no logits')
        positions.push(logits)
      }
      return packLogits(positions)
    },
  }
}

function refuseShift(): never {
  throw new Error('the context is full')
}

async function describe(
  llama: Llama,
  model: LlamaModel,
  context: Pick<LoadedParts, 'contextTokens' | 'flashAttn'> | null,
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

async function gpuFamily(llama: Llama): Promise<string> {
  const [name] = await llama.getGpuDeviceNames()
  return name ?? process.arch
}

function toLogLevel(level: LlamaLogLevel): LogLevel {
  if (level === LlamaLogLevel.fatal || level === LlamaLogLevel.error) return 'error'
  if (level === LlamaLogLevel.warn) return 'warn'
  return level === LlamaLogLevel.info ? 'info' : 'debug'
}
