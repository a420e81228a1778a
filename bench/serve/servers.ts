import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LEAN_MALLOC, LEAN_NODE } from '../../packages/node/src/lean-process.ts'
import type { CompletionServer } from './stream-completion.ts'

/** A server of one model in processes of its own. Disposing ends them. */
export interface Server extends CompletionServer, AsyncDisposable {
  pid: number
}

/** What both servers are told, so that they differ in nothing but their code. */
export const STREAMS = 8
/** Of each stream, a multiple of 256. */
export const CONTEXT = 1_024
const BATCH = 512
/** As `freehold serve` chooses it. */
export const THREADS = Math.max(1, availableParallelism() - 1)

export const MAIN = fileURLToPath(new URL('../../packages/node/src/cli/main.ts', import.meta.url))
const START_MS = 120_000

/** Starts `freehold serve` for one GGUF. */
export async function startFreehold(path: string): Promise<Server> {
  const home = await mkdtemp(join(tmpdir(), 'freehold-bench-home-'))
  // llama.cpp rounds up; one cell is never filled.
  const context = String(CONTEXT - 1)
  const options = ['--port', '0', '--json', '--keep-alive', '-1']
  const child = spawn(
    process.execPath,
    [
      ...LEAN_NODE,
      MAIN,
      'serve',
      path,
      ...options,
      '--parallel',
      String(STREAMS),
      '--context',
      context,
    ],
    {
      env: { ...process.env, ...LEAN_MALLOC, FREEHOLD_HOME: home },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const stop = async () => {
    await end(child)
    await rm(home, { recursive: true, force: true })
  }
  try {
    const lines = createInterface(child.stdout)
    const [line] = await Promise.race([once(lines, 'line'), failed(child, 'freehold serve')])
    const { url } = JSON.parse(String(line)) as { url: string }
    return { url, model: modelName(path), pid: child.pid as number, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts llama-server for one GGUF. */
export async function startLlamaServer(program: string, path: string): Promise<Server> {
  const port = await freePort()
  const child = spawn(program, llamaOptions(path, port), { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  try {
    await Promise.race([untilHealthy(url), failed(child, 'llama-server')])
    const stop = () => end(child)
    return { url, model: modelName(path), pid: child.pid as number, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await end(child)
    throw error
  }
}

/** As `freehold serve` calls a file; llama-server takes any name. */
function modelName(path: string): string {
  return basename(path, '.gguf').toLowerCase()
}

export function llamaOptions(path: string, port: number): string[] {
  const both = (name: string, value: number) => [`-${name}`, String(value)]
  return [
    ...['-m', path, '--host', '127.0.0.1', '--port', String(port)],
    ...both('t', THREADS),
    ...both('tb', THREADS),
    ...both('b', BATCH),
    ...both('ub', BATCH),
    ...both('np', STREAMS),
    ...both('c', STREAMS * CONTEXT),
    ...['--no-kv-unified', '-fa', 'off', '-ctk', 'f16', '-ctv', 'f16'],
    // A second store of prompts in memory would count against it.
    ...['--cache-ram', '0', '--no-ui'],
  ]
}

async function untilHealthy(url: string): Promise<void> {
  const untilMs = Date.now() + START_MS
  while (Date.now() < untilMs) {
    const response = await fetch(`${url}/health`).catch(() => null)
    await response?.text()
    if (response?.ok) return
    // It has no other way to say that it is ready.
    await delay(20)
  }
  throw new Error(`llama-server was not ready after ${START_MS / 1_000} s`)
}

async function failed(child: ChildProcess, name: string): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`${name} ended with ${code} before it was ready`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(timer)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('there is no free port')
  return address.port
}
