import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { UsageError } from '@freehold/core/errors'
import { findLlamaBins, type LlamaBins } from './llama-bins.ts'
import { FORCED_BINS_ENV, type ForcedBins } from './llama-hooks.ts'
import { runNativeTool } from './native-tool.ts'

export interface CpuVariant {
  /** Name of the instruction set, such as `haswell`; a profile's `isa`. */
  readonly name: string
  /** What ggml thinks of it on this CPU; it loads the highest by itself. */
  readonly score: number
}

/** A folder with one CPU variant of llama.cpp. Disposing removes it. */
export interface ForcedVariant extends AsyncDisposable {
  /** What a child needs in its environment. */
  readonly env: Record<string, string>
}

/**
 * Lists the CPU variants of llama.cpp that this CPU can run, the best first; none where
 * node-llama-cpp ships a single build.
 * @throws EngineError when there is no llama.cpp for this platform
 */
export async function listCpuVariants(): Promise<CpuVariant[]> {
  const bins = await findLlamaBins()
  const names = variantFiles(bins)
  const libraries = [...names.values()].map((file) => join(bins.folder, file))
  if (libraries.length === 0) return []
  const scores = await runNativeTool('score', { libraries })
  return [...names.keys()]
    .map((name, index) => ({ name, score: scores[index] ?? 0 }))
    .filter((variant) => variant.score > 0)
    .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1))
}

/**
 * Makes a folder that holds links to llama.cpp with the CPU variant `name` as its only one.
 * @throws UsageError when no such variant is shipped
 */
export async function forceCpuVariant(name: string): Promise<ForcedVariant> {
  const bins = await findLlamaBins()
  const names = variantFiles(bins)
  const wanted = names.get(name)
  if (wanted === undefined) {
    throw new UsageError({
      what: `llama.cpp ships no CPU variant ${name} here`,
      next: `Choose one of ${[...names.keys()].join(', ')}.`,
    })
  }
  const others = new Set([...names.values()].filter((file) => file !== wanted))
  const root = await mkdtemp(join(tmpdir(), 'freehold-cpu-'))
  const folder = join(root, basename(bins.folder))
  await mkdir(folder)
  for (const file of bins.files) {
    if (!others.has(file)) await symlink(join(bins.folder, file), join(folder, file))
  }
  const { packageName, packageVersion } = bins
  const forced: ForcedBins = { packageName, packageVersion, binsDir: root }
  return {
    env: { [FORCED_BINS_ENV]: JSON.stringify(forced) },
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true, force: true })
    },
  }
}

function variantFiles(bins: LlamaBins): Map<string, string> {
  const found = new Map<string, string>()
  for (const file of bins.files) {
    const name = /^(?:lib)?ggml-cpu-(.+)\.(?:so|dll|dylib)$/.exec(file)?.[1]
    if (name !== undefined) found.set(name, file)
  }
  return found
}
