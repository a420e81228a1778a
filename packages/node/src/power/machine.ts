import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { MachineState } from '@freehold/core/lending/polite'
import { createForeignLoad } from './foreign-load.ts'
import { readOwnUse } from './own-use.ts'

export interface MachineInit {
  /** Where processes of this device say that they answer their owner. */
  ownUse: string
  /** Whether the owner switched lending off. @default never */
  isSwitchedOff?: (() => boolean) | undefined
  /** Folders of the system; for tests. */
  sys?: string | undefined
  proc?: string | undefined
  platform?: NodeJS.Platform | undefined
}

/** Looks at this machine: power, heat, what others do, what its owner asks. */
export function createMachine(init: MachineInit): { look(): Promise<MachineState> } {
  const { ownUse, sys = '/sys', proc = '/proc', platform = process.platform } = init
  const { isSwitchedOff = () => false } = init
  const foreignLoad = createForeignLoad({ proc })
  return {
    look: async () => {
      const now = new Date()
      const [isOnMains, temperatureC, load, own] = await Promise.all([
        platform === 'darwin' ? macOnMains() : onMains(join(sys, 'class/power_supply')),
        hottest(join(sys, 'class/thermal')),
        foreignLoad(),
        readOwnUse(ownUse, now.getTime()),
      ])
      const minute = 60 * now.getHours() + now.getMinutes()
      return {
        isOnMains,
        temperatureC,
        foreignLoad: load,
        ...own,
        minute,
        isSwitchedOff: isSwitchedOff(),
      }
    },
  }
}

/** A machine without a battery runs on mains. null: it does not tell. */
export async function onMains(folder: string): Promise<boolean | null> {
  const names = await readdir(folder).catch(() => null)
  if (names === null) return null
  let isKnown = true
  let hasBattery = false
  for (const name of names) {
    const type = await readText(join(folder, name, 'type'))
    if (type === 'Mains' || type === 'USB') {
      const online = await readText(join(folder, name, 'online'))
      if (online === '1') return true
      if (online === null) isKnown = false
    }
    // Batteries of mice and pens say whose they are.
    if (type !== 'Battery' || (await readText(join(folder, name, 'scope'))) === 'Device') continue
    hasBattery = true
    const status = await readText(join(folder, name, 'status'))
    if (status === 'Discharging') return false
    if (status === null || status === 'Unknown') isKnown = false
  }
  return isKnown || !hasBattery ? true : null
}

/** The hottest zone, °C; null: there is none. */
export async function hottest(folder: string): Promise<number | null> {
  const names = await readdir(folder).catch(() => [])
  const zones = names.filter((name) => name.startsWith('thermal_zone'))
  const read = await Promise.all(zones.map((name) => readText(join(folder, name, 'temp'))))
  // Sensors that are switched off say 0, or that they are far below freezing.
  const degrees = read.flatMap((text) => (text === null ? [] : [Number(text) / 1_000]))
  const sound = degrees.filter((value) => value > 0 && value < 150)
  return sound.length === 0 ? null : Math.max(...sound)
}

/** `pmset` says where the power comes from. null: it does not tell. */
async function macOnMains(): Promise<boolean | null> {
  try {
    const { stdout } = await promisify(execFile)('pmset', ['-g', 'batt'], { timeout: 2_000 })
    if (stdout.includes("'AC Power'")) return true
    return stdout.includes("'Battery Power'") ? false : null
  } catch {
    return null
  }
}

/** A file's one line; null: it cannot be read. */
export async function readText(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  return text?.trim() ?? null
}
