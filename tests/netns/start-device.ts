import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import type { Host } from './internet.ts'
import type { DeviceSettings, Order, Reply } from './orders.ts'

const PROGRAM = fileURLToPath(new URL('device-process.ts', import.meta.url))

/** A real device in a process and a namespace of its own. */
export interface RunningDevice extends AsyncDisposable {
  tell(order: Order): Promise<Reply>
}

interface Word {
  n: number
  reply?: Reply
  error?: string
}

export async function startDevice(
  host: Host,
  init: Omit<DeviceSettings, 'home' | 'phrase'>,
): Promise<RunningDevice> {
  const home = await mkdtemp(join(tmpdir(), 'freehold-netns-'))
  const settings: DeviceSettings = { ...init, home, phrase: createPhrase(systemRandom) }
  const args = [
    'netns',
    'exec',
    host.namespace,
    process.execPath,
    PROGRAM,
    JSON.stringify(settings),
  ]
  const child = spawn('ip', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const waiting = new Map<number, PromiseWithResolvers<Reply>>()
  const wait = (n: number): Promise<Reply> => {
    const one = Promise.withResolvers<Reply>()
    waiting.set(n, one)
    return one.promise
  }
  const ready = wait(0)
  child.on('message', ({ n, reply, error }: Word) => {
    const one = waiting.get(n)
    waiting.delete(n)
    if (error === undefined) one?.resolve(reply ?? {})
    else one?.reject(new Error(error))
  })
  child.on('exit', (code) => {
    for (const one of waiting.values()) one.reject(new Error(`${init.name} ended with ${code}`))
  })
  let last = 0
  const tell = (order: Order): Promise<Reply> => {
    const done = wait(++last)
    child.send({ n: last, order })
    return done
  }
  const end = async (): Promise<void> => {
    await stop(child, tell)
    await rm(home, { recursive: true, force: true })
  }
  try {
    await ready
  } catch (error) {
    await end()
    throw error
  }
  return { tell, [Symbol.asyncDispose]: end }
}

const STOP_MS = 10_000

async function stop(child: ChildProcess, tell: (order: Order) => Promise<Reply>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await tell({ do: 'stop' }).catch(() => child.kill('SIGKILL'))
  await exit
  clearTimeout(late)
}
