import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { judgeGguf } from '../../packages/core/src/engine/fuzz-gguf.fixture.ts'
import { mutateGguf, mutationBase } from '../../packages/core/src/engine/mutate-gguf.fixture.ts'
import { EngineError, ModelError } from '../../packages/core/src/errors.ts'
import { seededDice } from '../../packages/node/src/demo/dice.ts'
import { createLlamaEngine, type LlamaEngine } from '../../packages/node/src/engine/llama-engine.ts'
import { BUNDLED } from '../../packages/node/src/models/acorn.ts'

/** A load or an answer that takes longer is ended: as a person would. */
const PATIENCE_MS = 30_000

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

/** Loads mutated files one after the other in this process, which must outlive them all. */
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
  try {
    await using engine = createLlamaEngine({ gpu: false, threads: 1 })
    while (result.inputs < init.inputs) {
      const mutated = mutateGguf([base], dice, { keepsLength: true })
      if (dice() < 0.1) mutated.bytes.fill(255, Math.floor(dice() * mutated.bytes.length))
      if (judgeGguf(mutated) === 'refused') continue
      await writeFile(path, mutated.bytes)
      const beforeMs = performance.now()
      const outcome = await outcomeOf(engine, path)
      const ms = performance.now() - beforeMs
      if (ms > SLOW_MS) init.say(`input ${result.inputs}: took ${Math.round(ms)} ms`)
      result.worstMs = Math.max(result.worstMs, ms)
      if (typeof outcome === 'string') result[outcome]++
      else {
        result.died += outcome.message.includes('process died') ? 1 : 0
        result.refused += outcome.message.includes('process died') ? 0 : 1
        init.say(`input ${result.inputs}: ${outcome.message}`)
      }
      if (++result.inputs % SAY_EVERY === 0) init.say(JSON.stringify(result))
    }
    // The device lives: what is sound still loads.
    if ((await outcomeOf(engine, sound)) !== 'sound') result.crashes++
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  result.seconds = (performance.now() - startedMs) / 1_000
  return result
}

/** Loads a file and computes a little with it. */
async function outcomeOf(
  engine: LlamaEngine,
  path: string,
): Promise<'sound' | 'slow' | 'crashes' | Error> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  try {
    await using model = await engine.load(path, { contextTokens: 256, sequences: 1, signal })
    const ids = await model.tokenize('Hello, 1 + 1?\n<|im_end|>', { special: true })
    await model.detokenize(ids)
    await using sequence = await model.openSequence({ signal })
    await sequence.prefill(ids, { signal })
    return 'sound'
  } catch (error) {
    if (error instanceof ModelError || error instanceof EngineError) return error
    return signal.aborted ? 'slow' : 'crashes'
  }
}
