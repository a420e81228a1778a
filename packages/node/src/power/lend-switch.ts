import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive } from './own-use.ts'

/** A process of this device that lends, as it says of itself. */
export interface LendingProcess {
  pid: number
  models: string[]
  addresses: string[]
  /** Why it does not lend now; null: it does. */
  why: string | null
}

/** The owner's word on lending, and which processes of this device lend. */
export interface LendSwitch {
  /** Whether the owner switched lending off. */
  isOff(): boolean
  set(isOn: boolean): Promise<void>
  /** Says to the other processes of this device that this one lends, and how that is now. */
  announce(said: Omit<LendingProcess, 'pid'>): Promise<void>
  /** Takes back what was announced. */
  leave(): Promise<void>
  /** Those that are alive. */
  running(): Promise<LendingProcess[]>
}

const OFF = 'off'

/** @param state the folder of this person where devices keep their state */
export function openLendSwitch({ state }: { state: string }): LendSwitch {
  const folder = join(state, 'lending')
  const own = join(folder, String(process.pid))
  const make = () => mkdir(folder, { recursive: true, mode: 0o700 })
  return {
    isOff: () => existsSync(join(folder, OFF)),
    set: async (isOn) => {
      await make()
      if (isOn) await rm(join(folder, OFF), { force: true })
      else await writeFile(join(folder, OFF), '')
    },
    announce: async (said) => {
      await make()
      await writeFile(own, JSON.stringify(said))
    },
    leave: () => rm(own, { force: true }),
    running: async () => {
      const names = await readdir(folder).catch(() => [])
      const found = await Promise.all(
        names.filter((name) => name !== OFF).map((name) => readProcess(folder, name)),
      )
      return found.filter((one) => one !== null)
    },
  }
}

async function readProcess(folder: string, name: string): Promise<LendingProcess | null> {
  const path = join(folder, name)
  const pid = Number(name)
  // Its process was killed: nobody else takes its file away.
  if (!isAlive(pid)) {
    await rm(path, { force: true })
    return null
  }
  try {
    const said = JSON.parse(await readFile(path, 'utf8')) as Omit<LendingProcess, 'pid'>
    return { pid, ...said }
  } catch {
    // It is being written, or was taken away just now.
    return null
  }
}
