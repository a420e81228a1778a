import { mkdirSync, rmSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { UsageError } from '@freehold/core/errors'
import { z } from 'zod'
import { tryHold } from '../storage/hold-file.ts'

const residentSchema = z.object({
  pid: z.int().positive(),
  url: z.url(),
  /** Made anew by each process, for this person's own commands. */
  token: z.string().min(1),
  /** What it is: a command asks none that is of another version, or has other models. */
  version: z.string(),
  models: z.string(),
  /** A command started it, and it ends by itself; a person started the others. */
  isBackground: z.boolean(),
  /** Whether it keeps texts on disk while a model is not loaded. */
  keepsTexts: z.boolean().default(true),
  /** Where other devices reach it. */
  addresses: z.array(z.string()).default([]),
})

/** The process that serves this device, as it wrote itself down. */
export type Resident = z.output<typeof residentSchema>

const TAKE_TRIES = 30
/** While nobody has written down that it serves: who holds the place then only looks, or is just beginning. */
const TAKE_TRIES_UNSERVED = 300
const TAKE_RETRY_MS = 10

/** The right to be the one process that serves this device. */
export interface Residence extends AsyncDisposable {
  /** Lets the person's other commands find this process. */
  announce(resident: Resident): Promise<void>
}

/**
 * Takes the place of the one process that serves. The system itself lets go of it when a process
 * ends, however it ends: what a killed one wrote down is known to be stale, whoever has its number now.
 * @param folder where it is written down
 * @throws UsageError saying where the other one is
 */
export async function takeResidence(folder: string): Promise<Residence> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const held = await holdPatiently(folder)
  if (held === null) {
    const other = await read(folder)
    throw new UsageError({
      what: 'this device is served already',
      why: other === null ? 'another process holds it' : `process ${other.pid} is at ${other.url}`,
      next: 'Use that one, or end it first',
    })
  }
  // What a killed one wrote down is no longer true.
  await rm(notePath(folder), { force: true })
  return {
    announce: async (resident) => {
      const draft = `${notePath(folder)}.draft`
      await writeFile(draft, JSON.stringify(resident), { mode: 0o600 })
      await rename(draft, notePath(folder))
    },
    [Symbol.asyncDispose]: async () => {
      await rm(notePath(folder), { force: true })
      held[Symbol.dispose]()
    },
  }
}

/** The process that serves now; null: none. */
export async function findResident(folder: string): Promise<Resident | null> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const held = hold(folder)
  if (held === null) return read(folder)
  // What a killed one left would pass for the next one's, until that has written its own.
  rmSync(notePath(folder), { force: true })
  held[Symbol.dispose]()
  return null
}

/** Who looks whether somebody serves holds the lock for a moment: that is no reason to give up. */
async function holdPatiently(folder: string): Promise<Disposable | null> {
  for (let tries = 1; ; tries++) {
    const held = hold(folder)
    if (held !== null || tries >= TAKE_TRIES_UNSERVED) return held
    if (tries >= TAKE_TRIES && (await read(folder)) !== null) return null
    await setTimeout(TAKE_RETRY_MS)
  }
}

function hold(folder: string): Disposable | null {
  return tryHold(join(folder, 'serving.lock'))
}

async function read(folder: string): Promise<Resident | null> {
  const text = await readFile(notePath(folder), 'utf8').catch(() => '')
  try {
    return residentSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

function notePath(folder: string): string {
  return join(folder, 'serving.json')
}
