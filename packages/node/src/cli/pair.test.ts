import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { writeVaultFile } from '../storage/vault-file.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const PASSPHRASE = 'correct horse battery staple'
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-pair-cli-'))
  for (const name of ['ann', 'bob']) {
    const home = join(folder, name)
    await mkdir(home)
    await writeVaultFile(pathsOf({ home }).vault, createPhrase(systemRandom), PASSPHRASE)
  }
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Event {
  event: string
  link: string
  words: string[]
}

/** A `freehold pair --json` that a person sits in front of. */
function pair(name: string, ...args: string[]) {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--no-warnings', MAIN, 'pair', '--json', ...args],
    {
      env: { ...process.env, FREEHOLD_HOME: join(folder, name), FREEHOLD_PASSPHRASE: PASSPHRASE },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  let errors = ''
  child.stderr?.on('data', (data) => {
    errors += data
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const ended = once(child, 'close') as Promise<[number | null]>
  return {
    child,
    says: (line: string) => child.stdin?.write(`${line}\n`),
    event: async (): Promise<Event> => {
      const { value, done } = await lines.next()
      if (done) throw new Error(`it ended: ${errors}`)
      return JSON.parse(value)
    },
    end: async () => ({ code: (await ended)[0], stderr: errors }),
  }
}

const LOCAL = ['--listen', '/ip4/127.0.0.1/tcp/0']

/** Both devices, up to where their people see words. */
async function begin(as: string) {
  const ann = pair('ann', '--as', as, '--name', 'bobs', ...LOCAL)
  const { link } = await ann.event()
  const bob = pair('bob', link, '--name', 'ann')
  const [here, there] = [await ann.event(), await bob.event()]
  expect(here.words).toEqual(there.words)
  return { ann, bob }
}

const settingsOf = async (name: string) =>
  JSON.parse(await readFile(join(folder, name, 'config.json'), 'utf8').catch(() => '{}'))

async function listed(name: string) {
  const command = pair(name, '--list')
  const rows = await command.event()
  await command.end()
  return rows
}

describe('freehold pair', () => {
  it('default: two people compare words and are friends; either may undo it', async () => {
    const { ann, bob } = await begin('friend')
    ann.says('yes')
    bob.says('yes')
    expect([await ann.event(), await bob.event()]).toMatchObject([
      { event: 'paired', name: 'bobs', as: 'friend' },
      { event: 'paired', name: 'ann', as: 'friend' },
    ])
    for (const each of [ann, bob]) expect((await each.end()).code).toBe(0)
    const device = expect.stringMatching(/^12D3Koo/)
    expect((await settingsOf('ann')).friends).toEqual([{ name: 'bobs', device }])
    expect(await listed('bob')).toEqual([{ name: 'ann', as: 'friend', device, isMutual: true }])
    const gone = pair('ann', '--remove', 'bobs')
    expect(await gone.event()).toMatchObject({ event: 'removed', name: 'bobs' })
    expect((await gone.end()).code).toBe(0)
    expect((await settingsOf('ann')).friends).toEqual([])
    await pair('bob', '--remove', 'ann').end()
  })

  it('behaviour: no is no, on both sides', async () => {
    const { ann, bob } = await begin('own')
    ann.says('yes')
    bob.says('no')
    const [here, there] = [await ann.end(), await bob.end()]
    expect([here.code, there.code]).toEqual([1, 1])
    expect(there.stderr).toMatch(/the words were not the same/)
    expect(here.stderr).toMatch(/the words are not the same there/)
    expect([await listed('ann'), await listed('bob')]).toEqual([[], []])
  })

  it('behaviour: Ctrl-C in the middle leaves nothing', async () => {
    const { ann, bob } = await begin('own')
    ann.says('yes')
    bob.child.kill('SIGINT')
    const [here, there] = [await ann.end(), await bob.end()]
    expect([here.code, there.code]).not.toContain(0)
    expect([await listed('ann'), await listed('bob')]).toEqual([[], []])
    expect(
      [await settingsOf('ann'), await settingsOf('bob')].map(({ friends = [] }) => friends),
    ).toEqual([[], []])
  })

  it('behaviour: what makes no sense is said', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /not said what the other device is/],
      [['nonsense!', '--as', 'own'], /no pairing code/],
      [['freehold:pair/K7QM-2XPD', '--as', 'own'], /no pairing link/],
      [['--remove', 'nobody'], /no device is called nobody/],
      [['--as', 'own', '--name', '\u001b[31m'], /is no name/],
    ]
    for (const [args, message] of wrong) {
      expect((await pair('ann', ...args).end()).stderr).toMatch(message)
    }
  })
})
