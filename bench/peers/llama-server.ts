import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EngineError, UsageError } from '@freehold/core/errors'
import { listCpuVariants } from '../../packages/node/src/engine/cpu-variants.ts'
import { findLlamaBins } from '../../packages/node/src/engine/llama-bins.ts'
import { variantFlags } from './variant-flags.ts'

export interface LlamaServer {
  path: string
  /** How it was made, for the conditions. */
  origin: Record<string, unknown>
}

/** Ignored by git. */
const BUILD = fileURLToPath(new URL('./build/', import.meta.url))

/** Static parts would hide which variant is loaded; pages, certificates and tests are not measured. */
const OPTIONS = [
  '-DCMAKE_BUILD_TYPE=Release',
  '-DBUILD_SHARED_LIBS=ON',
  '-DGGML_BACKEND_DL=ON',
  '-DGGML_CCACHE=OFF',
  // As node-llama-cpp builds what it ships.
  '-DGGML_OPENMP=OFF',
  '-DLLAMA_OPENSSL=OFF',
  '-DLLAMA_CURL=OFF',
  '-DLLAMA_BUILD_UI=OFF',
  '-DLLAMA_USE_PREBUILT_UI=OFF',
  '-DLLAMA_BUILD_TESTS=OFF',
  '-DLLAMA_BUILD_EXAMPLES=OFF',
  '-DLLAMA_BUILD_APP=OFF',
]

/**
 * Finds llama-server: at `LLAMA_SERVER`, or built once from the source that node-llama-cpp carries,
 * for the CPU variant that our engine loads here. Nothing is fetched.
 * @throws UsageError when there is nothing at `LLAMA_SERVER`, or no compiler
 * @throws EngineError when it cannot be built
 */
export async function findLlamaServer(say: (text: string) => void): Promise<LlamaServer> {
  const [variant] = await listCpuVariants()
  const { release } = await findLlamaBins()
  const given = process.env.LLAMA_SERVER
  if (given) {
    await access(given).catch((cause: unknown) => {
      throw new UsageError({ what: `LLAMA_SERVER names ${given}, which is not there`, cause })
    })
    return { path: given, origin: { built: 'elsewhere: LLAMA_SERVER names it' } }
  }
  const key = `${release}-${variant?.name ?? process.arch}`
  const folder = join(BUILD, key)
  const path = join(folder, 'bin', 'llama-server')
  const source = await checkOut(release, say)
  const flags = variantFlags(
    await readFile(join(source, 'ggml/src/CMakeLists.txt'), 'utf8'),
    variant?.name ?? null,
  )
  const options = [...OPTIONS, ...flags]
  const origin = { release, variant: variant?.name ?? process.arch, options: options.join(' ') }
  // Built anew by whoever wants that: CMake itself sees what has changed.
  if (await exists(join(folder, 'whole'))) return { path, origin }
  say(`building llama-server ${key}, once; this takes ten minutes or more on two cores`)
  await mkdir(folder, { recursive: true })
  const log = join(folder, 'build.log')
  await runTool('cmake', ['-S', source, '-B', folder, ...options], log)
  const jobs = ['--parallel', String(availableParallelism())]
  await runTool('cmake', ['--build', folder, '--target', 'llama-server', ...jobs], log)
  await (await open(join(folder, 'whole'), 'w')).close()
  return { path, origin }
}

/** The source, as a git bundle in the npm package, unpacked beside the build. */
async function checkOut(release: string, say: (text: string) => void): Promise<string> {
  const source = join(BUILD, `source-${release}`)
  if (await exists(source)) return source
  say('unpacking the source of llama.cpp that node-llama-cpp carries')
  const entry = createRequire(import.meta.url).resolve('node-llama-cpp')
  const bundle = join(dirname(entry), '../llama/gitRelease.bundle')
  const draft = `${source}.draft`
  await rm(draft, { recursive: true, force: true })
  await mkdir(BUILD, { recursive: true })
  await runTool('git', ['clone', '--quiet', bundle, draft], join(BUILD, 'clone.log'))
  await rename(draft, source)
  return source
}

/** Runs a tool, its words in a file. */
async function runTool(name: string, args: string[], log: string): Promise<void> {
  await using file = await open(log, 'a')
  const child = spawn(name, args, { stdio: ['ignore', file.fd, file.fd] })
  const [code] = await once(child, 'close').catch((cause: unknown) => {
    throw new UsageError({
      what: `${name} cannot be started, so llama-server cannot be built`,
      next: 'Install git, cmake and a C++ compiler (Debian: git cmake g++), or set LLAMA_SERVER=PATH',
      cause,
    })
  })
  if (code === 0) return
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n')
  const isCompilerMissing = lines.some((line) => /No CMAKE_C(XX)?_COMPILER/.test(line))
  throw new EngineError({
    what: 'llama-server cannot be built',
    why: isCompilerMissing ? 'there is no C++ compiler' : lines.slice(-3).join(' '),
    next: isCompilerMissing ? 'Install one (Debian: g++), or set LLAMA_SERVER=PATH' : `See ${log}`,
  })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
