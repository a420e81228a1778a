import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import { isLeftOver } from '@freehold/core/device/left-overs'
import type { AnswerRecord } from '@freehold/core/device/records'
import { DEFAULT_DEADLINES } from '@freehold/core/lending/deadlines'
import { STORAGE_VERSION } from '@freehold/core/migrations'
import { afterAll, describe, expect, it } from 'vitest'
import { openSqliteStorage } from './sqlite-storage.ts'

/**
 * A database that the first code of Freehold wrote: a payer's channel with an answer that its
 * process left streaming and a paid one whose voucher was not delivered, and a payee's channel with
 * a hold-back.
 */
const VERSION_1 = join(import.meta.dirname, 'version-1.fixture.db')
const [PAYER, PAYEE] = [`0x${'d1'.repeat(32)}`, `0x${'d2'.repeat(32)}`] as const
const [RUNNING, DONE, LENT] = ['11'.repeat(16), '12'.repeat(16), '13'.repeat(16)] as const

const folder = await mkdtemp(join(tmpdir(), 'freehold-migrate-'))
afterAll(() => rm(folder, { recursive: true }))
let files = 0

async function newCopy(): Promise<string> {
  const home = join(folder, `${files++}`)
  await mkdir(home)
  const path = join(home, 'device.db')
  await copyFile(VERSION_1, path)
  return path
}

function look(path: string): { version: number; rows: Record<string, unknown>[] } {
  const db = new DatabaseSync(path)
  try {
    const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
    return { version, rows: db.prepare('SELECT * FROM rows').all() }
  } finally {
    db.close()
  }
}

/** Opens a database in another process and dies by itself while its rows are written anew. */
const DIES = `
  import { DatabaseSync, StatementSync } from 'node:sqlite'
  const { openSqliteStorage } = await import(process.env.MODULE)
  const die = () => process.kill(process.pid, 'SIGKILL')
  const { run } = StatementSync.prototype
  const { exec } = DatabaseSync.prototype
  let writes = 0
  StatementSync.prototype.run = function (...args) {
    const result = run.apply(this, args)
    if (++writes === Number(process.env.AFTER)) die()
    return result
  }
  DatabaseSync.prototype.exec = function (sql) {
    if (process.env.AFTER === 'copy' && sql.startsWith('DELETE')) die()
    exec.call(this, sql)
    if (process.env.AFTER === 'begin' && sql.startsWith('BEGIN')) die()
  }
  openSqliteStorage(process.env.FILE)
`

async function dieMigrating(path: string, after: string): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', DIES], {
    env: {
      ...process.env,
      MODULE: new URL('./sqlite-storage.ts', import.meta.url).href,
      FILE: path,
      AFTER: after,
      NODE_NO_WARNINGS: '1',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return signal
}

describe('a database of the first version', () => {
  it('default: is filled in, and its money stays as it was', async () => {
    await using storage = openSqliteStorage(await newCopy())
    const channels = storage.table<ChannelRecord>('channels')
    const payer = await channels.get(PAYER)
    expect(payer).toMatchObject({ cumulative: 7n, relayFee: 2n, paidRaw: 4_500_000n })
    expect(payer).toMatchObject({ isRecovered: false, isLeaving: false })
    expect(payer).not.toHaveProperty('isConfirmed')
    const runningHash = new Uint8Array(32).fill(9)
    expect(payer?.undelivered).toEqual({ [DONE]: { tokens: 12, runningHash } })
    expect(await storage.table('undelivered').list()).toEqual([])
    expect(payer?.answers[RUNNING]).toMatchObject({ signedTokens: 12, state: 'streaming' })
    const startedAtMs = payer?.answers[RUNNING]?.startedAtMs ?? Number.NaN
    expect(startedAtMs).toBe(1_700_000_000_500)
    expect(isLeftOver(startedAtMs, Date.now(), DEFAULT_DEADLINES)).toBe(true)
    const payee = await channels.get(PAYEE)
    expect(payee).toMatchObject({ cumulative: 30n, undelivered: {} })
    expect(payee?.answers[LENT]?.startedAtMs).toBe(1_700_000_000_700)
    const answer = await storage.table<AnswerRecord>('answers').get(DONE)
    expect(answer).toMatchObject({ manifestHash: '', auditor: null, priceUnits: 5n })
    const [standing] = await storage.table('standing').list()
    expect(standing?.[1]).toMatchObject({ answers: 2, forgiven: { raw: 0n, atMs: 0 } })
  })

  it('behaviour: its copy from before is kept beside it', async () => {
    const path = await newCopy()
    const before = look(path)
    await openSqliteStorage(path)[Symbol.asyncDispose]()
    await openSqliteStorage(path)[Symbol.asyncDispose]()
    expect((await readdir(join(path, '..'))).sort()).toEqual(['device.db', 'device.db.version-1'])
    expect(look(`${path}.version-1`)).toEqual(before)
    expect(look(path).version).toBe(STORAGE_VERSION)
  })

  it.each(['begin', 'copy', '1', '4'])(
    'behaviour: killed in the middle (%s) it is the old one, and the next start goes on',
    async (after) => {
      const path = await newCopy()
      const before = look(path)
      expect(await dieMigrating(path, after)).toBe('SIGKILL')
      expect(look(path)).toEqual(before)
      await using storage = openSqliteStorage(path)
      expect(await storage.table<ChannelRecord>('channels').get(PAYEE)).toMatchObject({
        cumulative: 30n,
        isRecovered: false,
      })
      expect(look(`${path}.version-1`)).toEqual(before)
    },
  )
})
