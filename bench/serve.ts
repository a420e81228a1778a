import { mkdtemp, rm, stat } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { listCpuVariants } from '../packages/node/src/engine/cpu-variants.ts'
import { findLlamaBins } from '../packages/node/src/engine/llama-bins.ts'
import { ACORN } from '../packages/node/src/engine/test-models.ts'
import { type Bench, type BenchContext, type Goal, goal, machine } from './bench.ts'
import { rounded } from './median.ts'
import { findLlamaServer, type LlamaServer } from './peers/llama-server.ts'
import { type Comparison, compareRounds, compareServers } from './serve/compare-servers.ts'
import { measureCopying } from './serve/copying.ts'
import { measureFirstWords } from './serve/first-words.ts'
import { CONTEXT, llamaOptions, STREAMS, THREADS } from './serve/servers.ts'
import { HALF_BILLION, makeSyntheticModel, parametersOf, TINY } from './synthetic-model.ts'

const QUANTISATION = 'Q8_0'
const MEGABYTE = 1e6

interface Extent {
  shape: typeof HALF_BILLION
  alternations: number
  prefillTokens: number
  decodeTokens: number
  streamTokens: number
  copiedTokens: number
  starts: number
}

const WHOLE: Extent = {
  shape: HALF_BILLION,
  alternations: 5,
  prefillTokens: 384,
  decodeTokens: 48,
  streamTokens: 24,
  copiedTokens: 96,
  starts: 3,
}
const QUICK: Extent = {
  shape: TINY,
  alternations: 1,
  prefillTokens: 32,
  decodeTokens: 8,
  streamTokens: 4,
  copiedTokens: 16,
  starts: 1,
}

/** Beside llama-server, in one run. `--quick`: small, once, without goals. */
export const serveBench: Bench = {
  summary: 'serving beside llama-server: prefill, decoding, eight streams, memory, first words',
  run: async ({ args, say }) => {
    const isQuick = args.includes('--quick')
    const extent = isQuick ? QUICK : WHOLE
    const peer = await findLlamaServer(say)
    const load = loadavg()[0] ?? Number.NaN
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    try {
      const { figures, goals, cpuLibraries } = await measure(extent, peer, folder, say)
      const loads = { loadBefore: rounded(load), loadAfter: rounded(loadavg()[0] ?? Number.NaN) }
      return {
        conditions: { ...(await conditions(extent, peer)), cpuLibraries, ...loads },
        figures,
        goals: isQuick ? [] : goals,
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function measure(
  extent: Extent,
  { path: llamaServer }: LlamaServer,
  folder: string,
  say: BenchContext['say'],
) {
  const { alternations, copiedTokens: tokens } = extent
  say('a model of random weights')
  const path = join(folder, 'synthetic.gguf')
  await makeSyntheticModel(path, extent.shape, QUANTISATION)
  const compare = async (at: string) => {
    const { size: sizeBytes } = await stat(at)
    const compared = await compareServers({
      ...extent,
      path: at,
      sizeBytes,
      llamaServer,
      promptIds: 200,
      say,
    })
    return {
      compared,
      figures: { ...compareRounds(compared), memory: memory(compared, sizeBytes) },
    }
  }
  say('synthetic model, Freehold and llama-server in turn')
  const whole = await compare(path)
  say('Acorn, Freehold and llama-server in turn')
  const acorn = await compare(ACORN)
  say('an answer that copies its input, with and without guesses')
  const counting = join(folder, 'counting.gguf')
  await makeSyntheticModel(counting, extent.shape, QUANTISATION, { isCounting: true })
  const copying = await measureCopying({ path: counting, tokens, alternations })
  say('from a command to its first word')
  const starts = { llamaServer, times: extent.starts }
  const firstWords = {
    synthetic: await measureFirstWords({ ...starts, path }),
    acorn: await measureFirstWords({ ...starts, path: ACORN }),
  }
  const { figures } = whole
  const goals: Goal[] = [
    goal('decode over llama-server', '>= 1', figures.decodePerSecond.ratio),
    goal('prefill over llama-server', '>= 0.97', figures.prefillPerSecond.ratio),
    goal(`${STREAMS} streams over llama-server`, '>= 1', figures.streamsPerSecond.ratio),
    goal('copying, guesses over none', '>= 1.5', copying.ratio),
    goal('memory above llama-server’s, MB', '<= 150', figures.memory.aboveLlamaServerMegabytes),
  ]
  return {
    figures: { synthetic: figures, acorn: acorn.figures, copying, firstWords },
    goals,
    cpuLibraries: whole.compared.cpuLibraries,
  }
}

function memory({ memory: { ownBytes, peerBytes } }: Comparison, sizeBytes: number) {
  const megabytes = (bytes: number) => Math.round(bytes / MEGABYTE)
  return {
    modelMegabytes: megabytes(sizeBytes),
    aboveModelMegabytes: megabytes(ownBytes - sizeBytes),
    llamaServerAboveModelMegabytes: megabytes(peerBytes - sizeBytes),
    aboveLlamaServerMegabytes: megabytes(ownBytes - peerBytes),
  }
}

async function conditions({ shape, alternations }: Extent, peer: LlamaServer) {
  const { packageName, packageVersion, release } = await findLlamaBins()
  const [variant] = await listCpuVariants()
  return {
    ...machine(),
    alternations,
    order: 'each measure in turn, taking turns at being first, after one round that is not counted',
    ratios: 'medians of the ratios within a pair',
    ownEngine: { release, package: `${packageName} ${packageVersion}`, variant: variant?.name },
    llamaServer: { ...peer.origin, arguments: llamaOptions('MODEL', 0).join(' ') },
    threads: THREADS,
    contextTokens: `${CONTEXT} for each of ${STREAMS} streams`,
    kvType: 'f16',
    flashAttn: false,
    sampling: 'temperature 0.8, top-k 40, top-p 0.95, min-p 0.05',
    memory:
      'PSS of all processes of a server, but the model’s file by its resident pages, after the rounds',
    shape: { ...shape, parameters: parametersOf(shape), quantisation: QUANTISATION },
  }
}
