import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { promisify } from 'node:util'
import { pathsOf } from '../../packages/node/src/config.ts'
import { LEAN_NODE } from '../../packages/node/src/lean-process.ts'
import { findResident } from '../../packages/node/src/serving/resident.ts'
import { median, rounded } from '../median.ts'
import { MAIN, startLlamaServer } from './servers.ts'
import { streamCompletion } from './stream-completion.ts'

/**
 * Time from `freehold run MODEL "…"` to the first byte of the answer, of a model of the store. Cold: in
 * a new home, where nothing of Freehold runs yet; warm: the same command right after it, answered by
 * the process that the first one left. The file itself is in the system's cache each time. Beside it,
 * llama-server from its start to the first word.
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
      const model = await importModel(init.path, home)
      cold.push(await firstByteMs(model, home))
      warm.push(await firstByteMs(model, home))
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

/** Puts a file into the store of `home`. @returns its name there */
async function importModel(path: string, home: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...LEAN_NODE, MAIN, 'import', path, '--json'],
    { env: { ...process.env, FREEHOLD_HOME: home } },
  )
  return (JSON.parse(stdout) as { name: string }).name
}

async function firstByteMs(model: string, home: string): Promise<number> {
  const startMs = performance.now()
  const child = spawn(
    process.execPath,
    [...LEAN_NODE, MAIN, 'run', model, 'Tell me a story.', '--max-tokens', '4'],
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
  while (isThere(resident.pid)) await new Promise((done) => setTimeout(done, 20))
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
