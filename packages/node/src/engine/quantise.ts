import { rename, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { FILE_TYPES } from '@freehold/core/engine/gguf-types'
import { EngineError, UsageError } from '@freehold/core/errors'
import { findLlamaBins } from './llama-bins.ts'
import { runNativeTool } from './native-tool.ts'
import { readGguf } from './read-gguf.ts'

/** Quantisations that need no importance matrix. */
export const QUANTISATIONS = [
  'F16',
  'Q2_K',
  'Q3_K_S',
  'Q3_K_M',
  'Q3_K_L',
  'Q4_0',
  'Q4_1',
  'Q4_K_S',
  'Q4_K_M',
  'Q5_0',
  'Q5_1',
  'Q5_K_S',
  'Q5_K_M',
  'Q6_K',
  'Q8_0',
] as const

export type Quantisation = (typeof QUANTISATIONS)[number]

/** Releases of llama.cpp whose settings we know the layout of. */
const KNOWN_RELEASES = ['v0.5.0']

export interface QuantiseProgress {
  /** How many are done. */
  tensors: number
  ofTensors: number
  tensor: string
}

export interface QuantiseInit {
  /** @default all cores but one; the output does not depend on it */
  threads?: number | undefined
  /** Called after each tensor. */
  onProgress?: ((progress: QuantiseProgress) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Writes the model at `input` to `output` in another quantisation, with llama.cpp's own code in a
 * child process. The same input gives the same bytes each time, those of `llama-quantize`; `output`
 * appears only when it is whole.
 * @throws ModelError when `input` is no sound GGUF; EngineError when llama.cpp cannot do it
 */
export async function quantise(
  input: string,
  output: string,
  type: Quantisation,
  init: QuantiseInit = {},
): Promise<void> {
  const part = `${resolve(output)}.${process.pid}.part`
  try {
    await run(input, part, type, false, init)
    await readGguf(part)
    await rename(part, resolve(output))
  } finally {
    await rm(part, { force: true })
  }
}

/**
 * Says how large the file would be, without writing it: to a hundredth of a MiB.
 * @throws as `quantise`
 */
export async function quantisedSize(
  input: string,
  type: Quantisation,
  init: Pick<QuantiseInit, 'signal'> = {},
): Promise<number> {
  let mebibytes: number | undefined
  const onLine = (line: string) => {
    const found = /quant size += +([\d.]+) MiB/.exec(line)?.[1]
    if (found !== undefined) mebibytes = Number(found)
  }
  const { header } = await run(input, '', type, true, init, onLine)
  if (mebibytes === undefined) {
    throw new EngineError({ what: 'llama.cpp did not say how large the quantised model would be' })
  }
  return Math.ceil(mebibytes * 2 ** 20) + header.dataOffset
}

async function run(
  input: string,
  output: string,
  type: Quantisation,
  isDryRun: boolean,
  init: QuantiseInit,
  onLine?: (line: string) => void,
) {
  const fileType = [...FILE_TYPES].find(([, name]) => name === type)?.[0]
  if (fileType === undefined || !QUANTISATIONS.includes(type)) {
    throw new UsageError({
      what: `there is no quantisation ${type}`,
      next: `Choose one of ${QUANTISATIONS.join(', ')}.`,
    })
  }
  const read = await readGguf(resolve(input), { signal: init.signal })
  const params = {
    library: await findLibrary(),
    input: resolve(input),
    output,
    fileType,
    threads: init.threads ?? Math.max(1, availableParallelism() - 1),
    isDryRun,
  }
  await runNativeTool('quantise', params, {
    signal: init.signal,
    onLine(line) {
      onLine?.(line)
      const progress = readProgress(line)
      if (progress !== undefined) init.onProgress?.(progress)
    },
  })
  return read
}

/** `[   3/  38] blk.0.attn_k.weight - [...], type = …`. */
function readProgress(line: string): QuantiseProgress | undefined {
  const [, tensors, ofTensors, tensor = ''] = /^\[ *(\d+)\/ *(\d+)\] (\S+)/.exec(line) ?? []
  if (tensors === undefined) return undefined
  return { tensors: Number(tensors), ofTensors: Number(ofTensors), tensor }
}

async function findLibrary(): Promise<string> {
  const bins = await findLlamaBins()
  const library = bins.files.find((name) =>
    /^(?:lib)?llama(?:\.v[\d.]+)?\.(?:so|dylib|dll)$/.test(name),
  )
  if (library === undefined || !KNOWN_RELEASES.includes(bins.release)) {
    throw new EngineError({
      what: 'models cannot be quantised with this build of llama.cpp',
      why: `its release is ${bins.release}, and we know ${KNOWN_RELEASES.join(', ')}`,
    })
  }
  return join(bins.folder, library)
}
