import { performance } from 'node:perf_hooks'
import { median, rounded } from '../median.ts'
import { cpuLibrariesOf, memoryOf } from './process-memory.ts'
import { type Server, STREAMS, startFreehold, startLlamaServer } from './servers.ts'
import { streamCompletion } from './stream-completion.ts'

export interface CompareInit {
  /** Of the GGUF that both serve. */
  path: string
  sizeBytes: number
  llamaServer: string
  /** Where ids of prompts are taken from: the first so many of the vocabulary. */
  promptIds: number
  alternations: number
  prefillTokens: number
  decodeTokens: number
  streamTokens: number
  say: (text: string) => void
}

/** What one server does in one alternation. */
export interface Round {
  prefillPerSecond: number
  decodePerSecond: number
  firstMs: number
  streamsPerSecond: number
  slowestPerSecond: number
}

export interface Comparison {
  own: Round[]
  peer: Round[]
  memory: { ownBytes: number; peerBytes: number }
  cpuLibraries: { own: string[]; peer: string[] }
}

/** A prompt that is taken in at once, so that its time is that of one short step. */
const SHORT_TOKENS = 24
const SHORT_ANSWER = 2

/** Both servers at once, one asked while the other rests; they take turns at being first. */
export async function compareServers(init: CompareInit): Promise<Comparison> {
  const { path, alternations, say } = init
  await using peer = await startLlamaServer(init.llamaServer, path)
  await using own = await startFreehold(path)
  const servers = { own, peer }
  const rounds: Record<'own' | 'peer', Round[]> = { own: [], peer: [] }
  for (let i = -1; i < alternations; i++) {
    const order = i % 2 === 0 ? (['own', 'peer'] as const) : (['peer', 'own'] as const)
    const pair: Partial<Record<'own' | 'peer', Round>> = {}
    // Each measure by itself in turn: what else the machine does then meets both.
    const prompts = createPrompts(init.promptIds, i + 2)
    for (const measure of [prefill, decode, streams]) {
      for (const who of order) {
        pair[who] = { ...(pair[who] as Round), ...(await measure(servers[who], prompts, init)) }
      }
    }
    if (i < 0) continue
    rounds.own.push(pair.own as Round)
    rounds.peer.push(pair.peer as Round)
    const ratio = (key: keyof Round) =>
      rounded((pair.own as Round)[key] / (pair.peer as Round)[key], 3)
    say(
      `  ${i + 1} of ${alternations}, own over llama-server: prefill ${ratio('prefillPerSecond')}, ` +
        `decode ${ratio('decodePerSecond')}, ${STREAMS} streams ${ratio('streamsPerSecond')}`,
    )
  }
  return {
    ...rounds,
    memory: {
      ownBytes: await memoryOf(own.pid, path),
      peerBytes: await memoryOf(peer.pid, path),
    },
    cpuLibraries: { own: await cpuLibrariesOf(own.pid), peer: await cpuLibrariesOf(peer.pid) },
  }
}

/** Makes a prompt of so many ids that neither server has seen the beginning of. */
type Prompts = (tokens: number) => number[]

/** @param round the same one gives both servers the same prompts */
export function createPrompts(vocabulary: number, round: number): Prompts {
  return (tokens) =>
    Array.from({ length: tokens }, (_, i) => {
      const mixed = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(round * 4_099 + tokens, 0x85ebca6b)
      return ((mixed ^ (mixed >>> 15)) >>> 0) % vocabulary
    })
}

async function prefill(server: Server, prompts: Prompts, { prefillTokens }: CompareInit) {
  const prompt = prompts(prefillTokens)
  const { totalMs } = await streamCompletion(server, { prompt, maxTokens: 1, seed: 1 })
  return { prefillPerSecond: (prefillTokens * 1_000) / totalMs }
}

async function decode(server: Server, prompts: Prompts, { decodeTokens }: CompareInit) {
  const first = { prompt: prompts(SHORT_TOKENS), maxTokens: SHORT_ANSWER, seed: 1 }
  const { firstMs } = await streamCompletion(server, first)
  const long = { prompt: prompts(SHORT_TOKENS + 1), maxTokens: decodeTokens, seed: 1 }
  const { tokensPerSecond } = await streamCompletion(server, long)
  return { firstMs, decodePerSecond: tokensPerSecond }
}

async function streams(server: Server, prompts: Prompts, { streamTokens }: CompareInit) {
  const startMs = performance.now()
  const answers = await Promise.all(
    Array.from({ length: STREAMS }, (_, i) =>
      streamCompletion(server, {
        prompt: prompts(SHORT_TOKENS + 2 + i),
        maxTokens: streamTokens,
        seed: i,
      }),
    ),
  )
  const seconds = (performance.now() - startMs) / 1_000
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0)
  const speeds = answers.map((answer) => (answer.tokens * 1_000) / answer.totalMs)
  return { streamsPerSecond: tokens / seconds, slowestPerSecond: Math.min(...speeds) }
}

/** Medians of both, and medians of the ratios within each pair. */
export function compareRounds({ own, peer }: Pick<Comparison, 'own' | 'peer'>) {
  const of = (rounds: readonly Round[], key: keyof Round) => rounds.map((round) => round[key])
  const figure = (key: keyof Round) => {
    const ratios = own.map((round, i) => round[key] / (peer[i] as Round)[key])
    return {
      own: rounded(median(of(own, key))),
      llamaServer: rounded(median(of(peer, key))),
      ratio: rounded(median(ratios)),
      ratios: ratios.map((ratio) => rounded(ratio, 3)),
    }
  }
  return {
    prefillPerSecond: figure('prefillPerSecond'),
    decodePerSecond: figure('decodePerSecond'),
    firstTokenMs: figure('firstMs'),
    streamsPerSecond: figure('streamsPerSecond'),
    slowestStreamPerSecond: figure('slowestPerSecond'),
  }
}
