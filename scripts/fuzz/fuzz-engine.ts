import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { judgeGguf } from '../../packages/core/src/engine/fuzz-gguf.fixture.ts'
import { mutateGguf, mutationBase } from '../../packages/core/src/engine/mutate-gguf.fixture.ts'
import { EngineError, ModelError } from '../../packages/core/src/errors.ts'
import { seededDice } from '../../packages/node/src/demo/dice.ts'
import {
  type EngineProcess,
  startEngineProcess,
} from '../../packages/node/src/engine/engine-process.ts'
import { createLlamaEngine } from '../../packages/node/src/engine/llama-engine.ts'
import { BUNDLED } from '../../packages/node/src/models/acorn.ts'
import { requireSoundNeeds } from './require-sound-needs.ts'

/** A load or an answer that takes longer is ended: as a person would. */
const PATIENCE_MS = 60_000

/** What is worth a look. */
const SLOW_MS = 5_000

const SAY_EVERY = 50

/** What came of the files that reached an engine's child process. */
export interface EngineFuzz {
  /** Files that our own checks accepted, so that native code saw them. */
  inputs: number
  /** Loaded and computed. */
  sound: number
  /** Refused by the child with a ModelError or an EngineError. */
  refused: number
  /** The child died, and an EngineError said so. */
  died: number
  /** Ended after `PATIENCE_MS`. */
  slow: number
  /** Ended with an error that is none of ours. */
  crashes: number
  worstMs: number
  seconds: number
}

/** A child that lives on is replaced after so many files, whose memory it never gives back. */
const FILES_OF_A_CHILD = 50

/**
 * Loads mutated files one after the other in the engine's child process, which starts again when it
 * died. This process must outlive them all.
 */
export async function fuzzEngine(init: {
  inputs: number
  seed: string
  say: (text: string) => void
}): Promise<EngineFuzz> {
  const dice = seededDice(`engine ${init.seed}`)
  const sound = BUNDLED['acorn-small'] ?? ''
  const base = mutationBase(await readFile(sound))
  const folder = await mkdtemp(join(tmpdir(), 'freehold-fuzz-'))
  const path = join(folder, 'mutated.gguf')
  const result: EngineFuzz = {
    ...{ inputs: 0, sound: 0, refused: 0, died: 0, slow: 0, crashes: 0 },
    ...{ worstMs: 0, seconds: 0 },
  }
  const startedMs = performance.now()
  let child: EngineProcess | undefined
  try {
    while (result.inputs < init.inputs) {
      const mutated = mutateGguf([base], dice, { keepsLength: true })
      if (dice() < 0.1) mutated.bytes.fill(255, Math.floor(dice() * mutated.bytes.length))
      if (judgeGguf(mutated, requireSoundNeeds) === 'refused') continue
      await writeFile(path, mutated.bytes)
      if (child?.pid === undefined || result.inputs % FILES_OF_A_CHILD === 0) {
        await child?.[Symbol.asyncDispose]()
        child = startEngineProcess({})
      }
      const beforeMs = performance.now()
      const outcome = await outcomeOf(child, path)
      const ms = performance.now() - beforeMs
      result.worstMs = Math.max(result.worstMs, ms)
      if (typeof outcome === 'string') result[outcome]++
      else {
        result[child.pid === undefined ? 'died' : 'refused']++
        init.say(`input ${result.inputs}: ${outcome.message}`)
      }
      if (ms > SLOW_MS) init.say(`input ${result.inputs}: took ${Math.round(ms)} ms`)
      if (++result.inputs % SAY_EVERY === 0) init.say(JSON.stringify(result))
    }
    // The device lives: what is sound still loads.
    await using engine = createLlamaEngine()
    await using model = await engine.load(sound)
    if (model.pid === undefined) result.crashes++
  } finally {
    await child?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
  result.seconds = (performance.now() - startedMs) / 1_000
  return result
}

/** Loads a file and computes a little with it. */
async function outcomeOf(
  child: EngineProcess,
  path: string,
): Promise<'sound' | 'slow' | 'crashes' | Error> {
  const params = {
    ...{ path, sequences: 1, contextTokens: 256, threads: 1, flashAttn: false, useGpu: false },
    ...{ vocabOnly: false, isVerbose: false, kvType: 'f16' as const },
  }
  let isSlow = false
  const timer = setTimeout(() => {
    isSlow = true
    void child[Symbol.asyncDispose]()
  }, PATIENCE_MS)
  try {
    await child.call('load', params).result
    const text = 'Hello, 1 + 1?\n<|im_end|>'
    const ids = await child.call('tokenize', { text, special: true }).result
    await child.call('detokenize', { ids }).result
    await child.call('open', { sequence: 0 }).result
    await child.call('feed', { sequence: 0, ids, logitsFrom: 0, at: 0 }, () => {}).result
    await child.call('close', { sequence: 0 }).result
    return 'sound'
  } catch (error) {
    if (isSlow) return 'slow'
    return error instanceof ModelError || error instanceof EngineError ? error : 'crashes'
  } finally {
    clearTimeout(timer)
  }
}
