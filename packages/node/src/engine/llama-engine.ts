import { stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { requireSoundVocabulary } from '@freehold/core/engine/describe-gguf'
import type { Engine, LoadInit, ModelInfo, Profile } from '@freehold/core/engine/engine'
import type { GgufHeader } from '@freehold/core/engine/gguf'
import { loadCounts } from '@freehold/core/engine/load-counts'
import { readTokenBytes, type TokenBytes } from '@freehold/core/engine/token-bytes'
import { EngineError, ModelError, UsageError } from '@freehold/core/errors'
import { estimateNeeds } from '../models/fit.ts'
import { requireFit } from '../models/fit-advice.ts'
import { freeMemory } from '../models/free-memory.ts'
import { forceCpuVariant } from './cpu-variants.ts'
import { type EngineProcess, startEngineProcess } from './engine-process.ts'
import { hashFile } from './hash-file.ts'
import { mayHaveGpu } from './may-have-gpu.ts'
import { describeModel } from './model-info.ts'
import { openPrefixFiles, type PrefixFiles } from './prefix-files.ts'
import type { LogLevel } from './protocol.ts'
import { readGguf } from './read-gguf.ts'
import { createRemoteModel, type RemoteModel } from './remote-model.ts'

export interface LlamaEngineInit {
  /** Called with each line of llama.cpp; without it nothing of native code is shown. */
  log?: ((level: LogLevel, line: string) => void) | undefined
  /** Threads that compute one batch. @default all cores but one: with none left it crawls */
  threads?: number | undefined
  /** @default false */
  flashAttn?: boolean | undefined
  /** `auto` uses a GPU when there is one and node-llama-cpp has its binaries. @default 'auto' */
  gpu?: 'auto' | false | undefined
  /** Forces one instruction set of the CPU back-end, such as `haswell`; see `listCpuVariants`. */
  cpuVariant?: string | undefined
  /** Says the id of the model at a path, for whoever knows it without hashing. @default its SHA-256 */
  modelIdAt?:
    | ((path: string, init: { signal?: AbortSignal | undefined }) => Promise<string>)
    | undefined
  /** Refuses what would not fit into memory before it is loaded. @default true */
  checkMemory?: boolean | undefined
  /** Hands even unsound files to native code; for tests of what happens when it crashes. */
  skipChecks?: boolean | undefined
}

export interface LlamaModel extends RemoteModel {
  /** The child process that holds the model; undefined once it has ended. */
  readonly pid: number | undefined
  /** What it takes of a GPU's own memory; 0 without, and where a GPU shares the main memory. */
  readonly gpuBytes: number
  readonly tokenBytes: TokenBytes
}

export interface LlamaLoadInit extends LoadInit {
  /** @default what the engine was created with */
  flashAttn?: boolean | undefined
  /** How keys and values of the context are kept; `q8_0` needs flash attention. @default 'f16' */
  kvType?: Profile['kvType'] | undefined
  /** Keeps texts that nobody audits in this folder while the model is not loaded. @default nowhere */
  prefixes?: string | undefined
}

export interface LlamaEngine extends Engine {
  load(source: string, init?: LlamaLoadInit): Promise<LlamaModel>
}

/**
 * Creates the engine of Node: llama.cpp in a child process for each loaded model, so that a native
 * crash ends that model's calls with an `EngineError` and nothing else.
 */
export function createLlamaEngine(init: LlamaEngineInit = {}): LlamaEngine {
  const processes = new Set<EngineProcess>()
  let cleaning: Promise<unknown> = Promise.resolve()
  let isClosed = false

  function requireOpen(): void {
    if (isClosed) throw new EngineError({ what: 'the engine is closed' })
  }

  async function start(): Promise<EngineProcess> {
    const forced =
      init.cpuVariant === undefined ? undefined : await forceCpuVariant(init.cpuVariant)
    if (isClosed) await forced?.[Symbol.asyncDispose]()
    requireOpen()
    const process = startEngineProcess({ log: init.log, env: forced?.env })
    processes.add(process)
    process.onEnd(() => {
      processes.delete(process)
      if (forced !== undefined) cleaning = Promise.all([cleaning, forced[Symbol.asyncDispose]()])
    })
    return process
  }

  async function load(source: string, loadInit: LlamaLoadInit = {}): Promise<LlamaModel> {
    requireOpen()
    const { signal, kvType = 'f16', flashAttn = init.flashAttn ?? false } = loadInit
    if (kvType === 'q8_0' && !flashAttn) {
      throw new UsageError({
        what: 'the KV type q8_0 needs flash attention',
        next: 'Turn flash attention on, or use f16.',
      })
    }
    const { contextTokens, sequences } = loadCounts(loadInit)
    const path = resolve(source)
    const { header, stats } = await readGguf(path, { signal })
    if (!init.skipChecks) requireSoundVocabulary(header)
    const isChecked = init.checkMemory !== false && !init.skipChecks && !loadInit.vocabOnly
    // With a GPU, how much goes where is known only once the model is loaded.
    if (isChecked && (init.gpu === false || init.cpuVariant !== undefined || !mayHaveGpu())) {
      const ask = { contextTokens, sequences, flashAttn: init.flashAttn }
      requireFit(header, ask, await freeMemory(), path)
    }
    const process = await start()
    const onAbort = () => void process[Symbol.asyncDispose]()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const params = {
        path,
        sequences,
        contextTokens,
        flashAttn,
        kvType,
        threads: init.threads ?? Math.max(1, availableParallelism() - 1),
        useGpu: init.gpu !== false && init.cpuVariant === undefined,
        vocabOnly: loadInit.vocabOnly ?? false,
        isVerbose: init.log !== undefined,
      }
      const [parts, modelId] = await Promise.all([
        process.call('load', params).result,
        (init.modelIdAt ?? hashFile)(path, { signal }),
      ])
      await requireUnchanged(path, stats)
      const info = describeModel({ modelId, path, header, sizeBytes: stats.size, parts, kvType })
      const model = createRemoteModel(process, {
        info,
        sequences: loadInit.vocabOnly ? null : sequences,
        canRewind: parts.canRewind,
        files: await openFiles(loadInit.prefixes, path, { header, info }),
      })
      return Object.defineProperties(model, {
        pid: { get: () => process.pid },
        gpuBytes: { value: parts.gpuBytes },
        tokenBytes: { value: readTokenBytes(header) },
      }) as LlamaModel
    } catch (error) {
      await process[Symbol.asyncDispose]()
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  return {
    load,
    async [Symbol.asyncDispose]() {
      isClosed = true
      await Promise.all([...processes].map((process) => process[Symbol.asyncDispose]()))
      await cleaning
    },
  }
}

/** Texts of a model that was removed meanwhile are not kept. */
async function openFiles(
  folder: string | undefined,
  path: string,
  { header, info }: { header: GgufHeader; info: ModelInfo },
): Promise<PrefixFiles | undefined> {
  if (folder === undefined) return undefined
  const { modelId, contextTokens, profile } = info
  const key = JSON.stringify([contextTokens, profile])
  const kvBytes = profile.kvType === 'f32' ? 4 : 2
  const needs = estimateNeeds(header, { contextTokens, sequences: 1, kvBytes })
  const bytesPerToken = needs.kvBytes / contextTokens
  const files = await openPrefixFiles({ folder, modelId, key, bytesPerToken })
  return {
    ...files,
    get all() {
      return files.all
    },
    async save(ids, write) {
      await stat(path)
      await files.save(ids, write)
    },
  }
}

/** What was hashed must be what was loaded. */
async function requireUnchanged(
  path: string,
  before: { size: number; mtimeMs: number; ino: number },
): Promise<void> {
  const after = await stat(path)
  const isSame =
    after.size === before.size && after.mtimeMs === before.mtimeMs && after.ino === before.ino
  if (isSame) return
  throw new ModelError({
    what: 'the model file changed while it was loaded',
    next: 'Load it again when nothing writes to it.',
  })
}
