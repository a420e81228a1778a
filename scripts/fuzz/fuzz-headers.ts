import { readFile } from 'node:fs/promises'
import { judgeGguf } from '../../packages/core/src/engine/fuzz-gguf.fixture.ts'
import { parseGguf } from '../../packages/core/src/engine/gguf.ts'
import { mutateGguf, mutationBase } from '../../packages/core/src/engine/mutate-gguf.fixture.ts'
import { smallGguf } from '../../packages/core/src/engine/small-gguf.fixture.ts'
import { seededDice } from '../../packages/node/src/demo/dice.ts'
import { BUNDLED } from '../../packages/node/src/models/acorn.ts'
import { requireSoundNeeds } from './require-sound-needs.ts'

/** Small headers are shown more often: the same faults, many times as fast. */
const SMALL_SHARE = 9

const SAY_EVERY = 100_000

/** What came of the headers that were shown. */
export interface HeaderFuzz {
  inputs: number
  accepted: number
  refused: number
  /** Ended with an error that is none of ours. */
  crashes: number
  /** Of processor time, for one input. */
  worstMs: number
  seconds: number
}

/** Shows `inputs` mutated headers, the same ones for the same seed. */
export async function fuzzHeaders(init: {
  inputs: number
  seed: string
  say: (text: string) => void
}): Promise<HeaderFuzz> {
  const dice = seededDice(`headers ${init.seed}`)
  const small = mutationBase(smallGguf({ padding: 20, vocabulary: true }))
  const real = await Promise.all(
    Object.values(BUNDLED).map(async (path) => {
      const bytes = await readFile(path)
      const { dataOffset } = parseGguf(bytes, bytes.length)
      return mutationBase(bytes.subarray(0, dataOffset), bytes.length - dataOffset)
    }),
  )
  const result: HeaderFuzz = {
    inputs: 0,
    accepted: 0,
    refused: 0,
    crashes: 0,
    worstMs: 0,
    seconds: 0,
  }
  const startedMs = performance.now()
  for (; result.inputs < init.inputs; result.inputs++) {
    const bases = dice() * (SMALL_SHARE + 1) < 1 ? real : [small]
    const mutated = mutateGguf(bases, dice)
    try {
      const before = process.threadCpuUsage()
      result[judgeGguf(mutated, requireSoundNeeds)]++
      const { user, system } = process.threadCpuUsage(before)
      result.worstMs = Math.max(result.worstMs, (user + system) / 1_000)
    } catch (error) {
      result.crashes++
      init.say(`input ${result.inputs}: ${error instanceof Error ? error.stack : String(error)}`)
    }
    if (result.inputs % SAY_EVERY === SAY_EVERY - 1) init.say(`${result.inputs + 1} inputs`)
  }
  result.seconds = (performance.now() - startedMs) / 1_000
  return result
}
