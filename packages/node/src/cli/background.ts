import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FreeholdError, UsageError } from '@freehold/core/errors'
import { type Paths, readEnvironment, readSettings } from '../config.ts'
import { durationMs } from '../http/duration.ts'
import { LEAN_MALLOC, LEAN_NODE } from '../lean-process.ts'
import { findResident, type Resident } from '../serving/resident.ts'
import { VERSION } from '../version.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
/** What says who a person is somewhere else: nothing that stays after a command needs it. */
const SECRETS = ['FREEHOLD_PASSPHRASE', 'FREEHOLD_API_TOKEN', 'HF_TOKEN']
/** How long it waits for a question before it ends by itself. */
export const DEFAULT_IDLE = '10m'
const START_MS = 20_000
const END_MS = 10_000
const LOOK_MS = 30

/** How long a process in the background waits; null: none is started. @throws UsageError */
export async function backgroundIdle(
  paths: Paths,
  { resident }: { resident: boolean },
): Promise<string | null> {
  const { mayStartResident } = readEnvironment()
  const { resident: idle = DEFAULT_IDLE } = await readSettings(paths.config)
  if (!resident || !mayStartResident || idle === false) return null
  try {
    durationMs(idle)
    return idle
  } catch (cause) {
    throw new UsageError({
      what: `"resident" in ${paths.config} is no duration`,
      next: 'It is like "10m", or false',
      cause,
    })
  }
}

/** The log of the process in the background: of its last life alone. */
export function backgroundLog({ state }: Pick<Paths, 'state'>): string {
  return join(state, 'resident.log')
}

/**
 * The process that serves this device, started in the background if there is none. Never an error:
 * a device can answer without.
 * @param idle how long a started one waits for a question; null: none is started
 * @returns null when there is none, or none that may be asked
 */
export async function reachResident(
  paths: Paths,
  { idle, signal }: { idle: string | null; signal: AbortSignal },
): Promise<Resident | null> {
  try {
    const found = await findResident(paths.state)
    // It would keep what shall not be kept; others may be asking it, so it goes on.
    if (found?.keepsTexts && !readEnvironment().hasHistory) return null
    if (found !== null && isSame(found, paths)) return found
    if (idle === null || (found !== null && !found.isBackground)) return null
    // One of before an upgrade, or of other models, makes room.
    if (found !== null) await endResident(paths, found)
    return await start(paths, idle, signal)
  } catch {
    signal.throwIfAborted()
    // Such as a folder that cannot be written.
    return null
  }
}

function isSame({ version, models }: Resident, paths: Paths): boolean {
  return version === VERSION && models === paths.models
}

async function start(paths: Paths, idle: string, signal: AbortSignal): Promise<Resident | null> {
  mkdirSync(paths.state, { recursive: true, mode: 0o700 })
  const log = openSync(backgroundLog(paths), 'w', 0o600)
  const env: NodeJS.ProcessEnv = { ...process.env, ...LEAN_MALLOC }
  for (const secret of SECRETS) delete env[secret]
  const args = [...LEAN_NODE, MAIN, 'serve', '--background', '--idle-exit', idle]
  const child = spawn(process.execPath, args, {
    // A group of its own: Ctrl-C in this terminal is not meant for it.
    detached: true,
    stdio: ['ignore', log, log],
    cwd: paths.state,
    env,
    windowsHide: true,
  })
  closeSync(log)
  child.unref()
  let hasEnded = false
  const ended = once(child, 'exit').then(
    () => {
      hasEnded = true
    },
    () => {
      hasEnded = true
    },
  )
  const until = Date.now() + START_MS
  while (Date.now() < until) {
    const found = await findResident(paths.state)
    if (found !== null) return isSame(found, paths) ? found : null
    // Two commands at once start two: one of them has found the other and ended.
    if (hasEnded) return await findResident(paths.state)
    await Promise.race([setTimeout(LOOK_MS, undefined, { signal }), ended])
  }
  return null
}

/** Ends a process in the background. @throws FreeholdError when it does not end */
export async function endResident(paths: Pick<Paths, 'state'>, resident: Resident): Promise<void> {
  // It holds the lock, so this is its number and nobody else's.
  process.kill(resident.pid, 'SIGTERM')
  const until = Date.now() + END_MS
  while (Date.now() < until) {
    if ((await findResident(paths.state))?.pid !== resident.pid) return
    await setTimeout(LOOK_MS)
  }
  throw new FreeholdError({ what: `process ${resident.pid} does not end`, next: 'End it yourself' })
}
