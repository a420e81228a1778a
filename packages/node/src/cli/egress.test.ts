import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@freehold/core/platform'
import { createEgressLog, type EgressEntry } from '@freehold/core/routing/egress-log'
import type { Table } from '@freehold/core/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let folder: string
let homes = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-egress-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** A home from which `count` requests have left. */
async function homeWith(
  count: number,
  change: (table: Table<EgressEntry>) => Promise<unknown> = async () => {},
): Promise<string> {
  const home = join(folder, String(homes++))
  await mkdir(home)
  await using storage = openSqliteStorage(pathsOf({ home }).database)
  const table = storage.table<EgressEntry>('egress')
  const log = createEgressLog(table, systemClock)
  for (let n = 0; n < count; n++) {
    await log.append({
      ...{ digest: 'ab'.repeat(32), sizeBytes: 100 + n, to: 'cd'.repeat(32), scope: 'market' },
      ...{ why: `reason ${n}`, priceUnits: '7', redacted: n === 1 ? { mail: 2, phone: 1 } : {} },
    })
  }
  await change(table)
  return home
}

async function freehold(home: string, ...args: string[]) {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: { ...process.env, FREEHOLD_HOME: home, FREEHOLD_NORESIDENT: '1' },
  })
  child.stdin.end()
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

describe('freehold egress', () => {
  it('default: tells when what left to whom, why, and what was replaced', async () => {
    const home = await homeWith(3)
    const { code, stdout, stderr } = await freehold(home, 'egress', '--verify')
    expect([code, stderr]).toEqual([0, 'All 3 entries are as they were written.\n'])
    expect(stdout).toMatch(/WHEN +TO +SCOPE +BYTES +PRICE +REPLACED +WHY/)
    expect(stdout).toMatch(
      /^1 +\d{4}-\d\d-\d\d \S+ +12D3Koo\w+ +market +101 +7 +2 mail, 1 phone +reason 1$/m,
    )
    expect(stdout).toMatch(/^2 .* market +102 +7 +- +reason 2$/m)
  })

  it('behaviour: shows the last ones, and as data', async () => {
    const home = await homeWith(3)
    const few = await freehold(home, 'egress', '--limit', '1')
    expect(few.stdout.trim().split('\n')).toHaveLength(2)
    expect(few.stderr).toMatch(/The last 1 of 3/)
    const { stdout } = await freehold(home, 'egress', '--json', '--verify')
    const data = JSON.parse(stdout)
    expect(data).toMatchObject({ of: 3, holds: true, brokenAt: null })
    expect(data.entries[1]).toMatchObject({ redacted: { mail: 2, phone: 1 }, priceUnits: '7' })
    expect((await freehold(await homeWith(0), 'egress')).stderr).toMatch(/Nothing has left/)
  })

  it('behaviour: says where a log does not hold, with status 1', async () => {
    const changed = await homeWith(3, (table) =>
      table.update('000000000001', (old) => old && { ...old, to: 'nobody', redacted: undefined }),
    )
    const { code, stdout, stderr } = await freehold(changed, 'egress', '--verify')
    expect([code, stdout.includes('nobody')]).toEqual([1, true])
    expect(stderr).toMatch(/the egress log does not hold: entry 1 is not what was written/)
    const asData = await freehold(changed, 'egress', '--verify', '--json')
    expect([asData.code, JSON.parse(asData.stdout)]).toMatchObject([
      1,
      { holds: false, brokenAt: 1 },
    ])
    const shortened = await homeWith(2, (table) => table.update('000000000001', () => undefined))
    expect((await freehold(shortened, 'egress', '--verify')).stderr).toMatch(
      /from 1 on, are missing/,
    )
    // Who does not ask is not told, and shown what is there.
    expect((await freehold(changed, 'egress')).code).toBe(0)
  })
})

describe('settings of what may travel', () => {
  it.each([
    [
      { rules: [{ modell: 'a', scope: 'own' }] },
      /privacy rule 1 cannot be used: it has a field "modell"/,
    ],
    [{ rules: [{ key: 'editor', scope: 'own' }] }, /names the key "editor", and no token/],
    [{ rule: [] }, /"rule" in .+ is no setting/],
    [{ tokens: [{ name: 'editor' }] }, /the setting tokens makes no sense/],
    [{ tokens: ['a', { name: 'editor', token: 'a' }] }, /two tokens are the same/],
  ])('behaviour: %j is an error before anything is asked', async (settings, why) => {
    const home = await homeWith(0)
    await writeFile(pathsOf({ home }).config, JSON.stringify(settings))
    for (const args of [
      ['run', '--no-resident', 'Hello'],
      ['serve', '--port', '0'],
    ]) {
      const { code, stderr, stdout } = await freehold(home, ...args)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(why)
    }
  })

  it('behaviour: what may travel as it is is named kind by kind', async () => {
    const { code, stderr } = await freehold(await homeWith(0), 'run', '--send', 'secret', 'Hello')
    expect(code).toBe(2)
    expect(stderr).toMatch(/It is one of ai-key, .*mail, phone/)
  })
})
