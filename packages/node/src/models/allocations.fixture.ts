import { setTimeout } from 'node:timers/promises'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import type { FitInit } from './fit.ts'

/** Bytes that llama.cpp says it allocated for a model. */
export interface Allocations {
  model: number
  KV: number
  compute: number
}

/** Loads a model on the CPU and reads in llama.cpp's log what it took. */
export async function allocations(path: string, init: FitInit): Promise<Allocations> {
  const found: Allocations = { model: 0, KV: 0, compute: 0 }
  const log = (_: string, line: string) => {
    const [, what, size] = /(model|KV|compute) buffer size = +([\d.]+) MiB/.exec(line) ?? []
    if (size !== undefined) found[what as keyof Allocations] += Number(size) * 2 ** 20
  }
  const { flashAttn } = init
  await using engine = createLlamaEngine({ gpu: false, flashAttn, log, checkMemory: false })
  await using _model = await engine.load(path, init)
  // What was logged last may come after the model.
  while (found.compute === 0) await setTimeout(10)
  return found
}
