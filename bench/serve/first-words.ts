import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pathsOf } from '../../packages/node/src/config.ts'
import { findResident } from '../../packages/node/src/serving/resident.ts'
import { median, rounded } from '../median.ts'
import { MAIN, startLlamaServer } from './servers.ts'
import { streamCompletion } from './stream-completion.ts'

/**
 * Time from `freehold run MODEL "…"` to the first byte of the answer. Cold: in a new home, where
 * nothing of Freehold runs yet; warm: the same command right after it. The file itself is in the
 * system's cache each time. Beside it, llama-server from its start to the first word.
 */
export async function measureFirstWords(init: {
  path: string
  llamaServer: string
  times: number
}) {
  const [cold, warm, peer]: [number[], number[], number[]] = [[], [], []]
  for (let i = 0; i < init.times; i++) {
    const home = await mkdtemp(join(tmpdir(), 'freehold-bench-home-'))
    try {
      cold.push(await firstByteMs(init.path, home))
      warm.push(await firstByteMs(init.path, home))
    } finally {
      await endResident(home)
      await rm(home, { recursive: true, force: true })
    }
    peer.push(await llamaFirstMs(init.llamaServer, init.path))
  }
  const middle = (values: number[]) => Math.round(median(values))
  return {
    coldMs: middle(cold),
    warmMs: middle(warm),
    llamaServerColdMs: middle(peer),
    coldOverLlamaServer: rounded(median(cold) / median(peer), 3),
  }
}

async function firstByteMs(path: string, home: string): Promise<number> {
  const startMs = performance.now()
  const child = spawn(
    process.execPath,
    ['--no-warnings', MAIN, 'run', path, 'Tell me a story.', '--max-tokens', '4'],
    { env: { ...process.env, FREEHOLD_HOME: home }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = once(child, 'close')
  const began = once(child.stdout, 'data').then(() => performance.now())
  child.stdout.resume()
  const endMs = await Promise.race([began, ended.then(() => Number.NaN)])
  const [code] = await ended
  if (code !== 0) throw new Error(`freehold run ended with ${code}`)
  return endMs - startMs
}

async function llamaFirstMs(program: string, path: string): Promise<number> {
  const startMs = performance.now()
  await using server = await startLlamaServer(program, path)
  const readyMs = performance.now() - startMs
  const asked = { prompt: 'Tell me a story.', maxTokens: 4, seed: 1 }
  return readyMs + (await streamCompletion(server, asked)).firstMs
}

/** `run` may have left a process that serves. */
async function endResident(home: string): Promise<void> {
  const { state } = pathsOf({ home })
  const resident = await findResident(state)
  if (resident === null) return
  process.kill(resident.pid, 'SIGTERM')
  while ((await findResident(state)) !== null) await new Promise((done) => setTimeout(done, 50))
}
