import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { FreeholdError } from '@freehold/core/errors'

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

export interface ProgramInit {
  /** FREEHOLD_HOME of the device that the program is. */
  home: string
  passphrase: string
  env?: Record<string, string> | undefined
  /** Flags for Node itself. */
  nodeFlags?: readonly string[] | undefined
  /** Another entry than the CLI. */
  entry?: string | undefined
}

/** Starts the program as a process of its own. */
export function startProgram(args: readonly string[], init: ProgramInit): ChildProcess {
  const { home, passphrase, env = {}, nodeFlags = [], entry = MAIN } = init
  return spawn(process.execPath, ['--no-warnings', ...nodeFlags, entry, ...args], {
    // Nothing is said over the last one: the program ends when it closes, however we end.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: passphrase, ...env },
  })
}

/** Runs the program to its end. @returns the JSON of its last line */
export async function runProgram(
  args: readonly string[],
  init: ProgramInit & { onStart?: (pid: number) => void },
): Promise<unknown> {
  const child = startProgram(args, init)
  init.onStart?.(child.pid ?? 0)
  const [out, err] = [collect(child.stdout), collect(child.stderr)]
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) {
    throw new FreeholdError({ what: `freehold ${args[0]} failed`, why: err().trim().slice(-500) })
  }
  return JSON.parse(out().trim().split('\n').at(-1) ?? 'null') as unknown
}

/** A lender in a process of its own. */
export interface LenderProcess extends AsyncDisposable {
  addresses: string[]
  device: string
  pid: number
}

/** Starts a lender and waits until it lends. @throws FreeholdError with what it said when it does not */
export async function startLender(
  args: readonly string[],
  init: ProgramInit,
): Promise<LenderProcess> {
  const child = startProgram(args, init)
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const err = collect(child.stderr)
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const ended = once(child, 'close')
  const ready = (async () => {
    for await (const line of lines) {
      const said = JSON.parse(line) as { event?: string; addresses: string[]; device: string }
      if (said.event === 'lending') return said
    }
    throw new FreeholdError({ what: 'a lender did not start', why: err().trim().slice(-500) })
  })()
  const { addresses, device } = await ready.catch((error) => {
    kill()
    throw error
  })
  child.stdout?.resume()
  return {
    addresses,
    device,
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      process.off('exit', kill)
      child.kill('SIGTERM')
      const patience = setTimeout(kill, 5_000)
      await ended
      clearTimeout(patience)
    },
  }
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = ''
  stream?.setEncoding('utf8')
  stream?.on('data', (part: string) => {
    text = (text + part).slice(-1_000_000)
  })
  return () => text
}
