import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { FreeholdError } from '@freehold/core/errors'
import { storageCompliance } from '@freehold/core/storage.compliance'
import { afterAll, describe, expect, it } from 'vitest'
import { openSqliteStorage } from './sqlite-storage.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-sqlite-'))
afterAll(() => rm(folder, { recursive: true }))
let files = 0
const newPath = () => join(folder, `${files++}`, 'device.db')

storageCompliance('SQLite', () => openSqliteStorage(newPath()))

/** Counts a row up in another process; prints each value once it is acknowledged. */
const WRITER = `
  import { writeSync } from 'node:fs'
  const { openSqliteStorage } = await import(process.env.MODULE)
  const storage = openSqliteStorage(process.env.FILE)
  const table = storage.table('rows')
  for (let i = 0; i < Number(process.env.TIMES); i++) {
    const value = await table.update('n', (old) => (old ?? 0n) + 1n)
    writeSync(1, value + '\\n')
  }
`

const STRACE = ['strace', '-f', '-e', 'trace=fdatasync,write']
const hasStrace = spawnSync('strace', ['--version']).status === 0

function startWriter(path: string, times: number, under: readonly string[] = []) {
  const command = [...under, process.execPath, '--input-type=module', '--eval', WRITER]
  const child = spawn(command[0]!, command.slice(1), {
    env: {
      ...process.env,
      MODULE: new URL('./sqlite-storage.ts', import.meta.url).href,
      FILE: path,
      TIMES: String(times),
      NODE_NO_WARNINGS: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { child, ended, output: text(child.stdout), errors: text(child.stderr) }
}

async function counterOf(path: string): Promise<bigint> {
  await using storage = openSqliteStorage(path)
  return (await storage.table<bigint>('rows').get('n')) ?? 0n
}

describe('SQLite storage', () => {
  it('default: survives being closed and opened', async () => {
    const path = newPath()
    {
      await using storage = openSqliteStorage(path)
      await storage.table('rows').update('a', () => ({ big: 1n, bytes: Uint8Array.of(1) }))
    }
    await using storage = openSqliteStorage(path)
    expect(await storage.table('rows').get('a')).toEqual({ big: 1n, bytes: Uint8Array.of(1) })
  })

  it.skipIf(!hasStrace)(
    'behaviour: what is acknowledged was flushed to the disk (skipped where strace is not installed)',
    async () => {
      const { ended, errors } = startWriter(newPath(), 3, STRACE)
      expect(await ended).toBe(0)
      const calls = (await errors).match(/fdatasync\(|write\(1,/g)
      // Each value is printed after a flush that came after the one before.
      expect(calls?.join(' ')).toMatch(/^((fdatasync\( )+write\(1,\s?){3}/)
    },
  )

  it('behaviour: does not touch the database of a later version', async () => {
    const path = newPath()
    await openSqliteStorage(path)[Symbol.asyncDispose]()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 99')
    db.close()
    expect(() => openSqliteStorage(path)).toThrow(FreeholdError)
    expect(() => openSqliteStorage(path)).toThrow(/later version/)
  })

  it('behaviour: may be closed twice', async () => {
    const storage = openSqliteStorage(newPath())
    await storage[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
    await expect(storage.table('rows').get('a')).rejects.toThrow()
  })

  it('behaviour: a value that cannot be kept leaves the old one', async () => {
    await using storage = openSqliteStorage(newPath())
    const table = storage.table<unknown>('rows')
    await table.update('a', () => 1)
    await expect(table.update('a', () => ({ n: Number.NaN }))).rejects.toThrow(TypeError)
    expect(await table.get('a')).toBe(1)
  })

  it('behaviour: two connections see each other’s rows', async () => {
    const path = newPath()
    await using a = openSqliteStorage(path)
    await using b = openSqliteStorage(path)
    const both = [a.table<number>('rows'), b.table<number>('rows')]
    for (let i = 0; i < 20; i++) await both[i % 2]?.update('n', (old) => (old ?? 0) + 1)
    for (const table of both) expect(await table.get('n')).toBe(20)
  })

  it('behaviour: two processes that count together lose nothing', async () => {
    // Both begin on a file that is not there yet.
    const path = newPath()
    const writers = [startWriter(path, 200), startWriter(path, 200)]
    for (const writer of writers) {
      expect(await writer.ended, await writer.errors).toBe(0)
    }
    expect(await counterOf(path)).toBe(400n)
    const seen = await Promise.all(writers.map(({ output }) => output))
    const values = seen.join('').trim().split('\n')
    expect(new Set(values).size).toBe(400)
  })

  it('behaviour: a writer that is killed loses nothing that it acknowledged', async () => {
    const path = newPath()
    for (const delayMs of [3, 17, 41]) {
      const before = await counterOf(path)
      const { child, ended, output, errors } = startWriter(path, 1_000_000)
      await new Promise((resolve) => child.stdout.once('data', resolve))
      await new Promise((resolve) => setTimeout(resolve, delayMs + Math.random() * 20))
      child.kill('SIGKILL')
      expect(await ended).toBeNull()
      const last = BigInt((await output).trim().split('\n').at(-1) as string)
      expect(last, await errors).toBeGreaterThan(before)
      const kept = await counterOf(path)
      expect(kept).toBeGreaterThanOrEqual(last)
      // At most the one update that was on its way.
      expect(kept).toBeLessThanOrEqual(last + 1n)
    }
  })
})
