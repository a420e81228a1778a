/** What borrowed answers may cost, asked over a real pseudo-terminal of a person who has not said. */
import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { befriend, createTown, type Inhabitant, type Town } from '../device/town.fixture.ts'
import { writeVaultFile } from '../storage/vault-file.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const PASSPHRASE = 'correct horse battery staple'
const hasScript = spawnSync('script', ['--version']).status === 0

let town: Town
let self: Inhabitant
beforeAll(async () => {
  if (!hasScript) return
  town = await createTown()
  const lender = await town.lender()
  self = await town.inhabitant()
  await befriend(self.device, lender.lending)
  await writeVaultFile(pathsOf(self).vault, self.phrase, PASSPHRASE)
}, 120_000)
afterAll(async () => {
  await town?.[Symbol.asyncDispose]()
})

/** One question at a terminal that has a width: without one the prompts wait for ever. */
function ask() {
  const { rpc, chainId, house, token } = town.chain.settings
  const chain = [rpc, chainId, house, token].join()
  const run = `run --scope market --via peer --max-tokens 8 --chain ${chain} 'What is 7 plus 5?'`
  const command = `stty cols 100 rows 30; exec ${process.execPath} --no-warnings ${MAIN} ${run}`
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    env: {
      ...process.env,
      FREEHOLD_HOME: self.home,
      FREEHOLD_PASSPHRASE: PASSPHRASE,
      TERM: 'xterm',
    },
  })
  let shown = ''
  const more = new EventEmitter()
  child.stdout.on('data', (data: Buffer) => {
    shown += stripVTControlCharacters(data.toString())
    more.emit('more')
  })
  const ended = once(child, 'close').then(([code]) => {
    more.emit('more')
    return { code, shown }
  })
  return {
    ended,
    type: (keys: string) => child.stdin.write(keys),
    seen: async (words: RegExp) => {
      while (!words.test(shown)) {
        if (child.exitCode !== null) throw new Error(`it ended without ${words}: ${shown}`)
        await once(more, 'more')
      }
    },
  }
}

const settings = async () =>
  JSON.parse(await readFile(pathsOf(self).config, 'utf8').catch(() => '{}'))

describe.skipIf(!hasScript)(
  'freehold run, where nobody said what it may cost (skipped where script is not installed)',
  () => {
    it('default: asks once, keeps the answer, and borrows', { timeout: 300_000 }, async () => {
      const first = ask()
      await first.seen(/One answer, token units/)
      expect(await self.device.egress.entries()).toEqual([])
      // What is suggested, after a word that is no number.
      first.type('lots\r')
      await first.seen(/A whole number of token units, or none/)
      first.type('\x7f\x7f\x7f\x7f\r')
      await first.seen(/All of any 24 hours/)
      first.type('none\r')
      const { code, shown } = await first.ended
      expect([code, shown]).toEqual([0, expect.stringMatching(/That is kept/)])
      const [, atMost] = /at most (\d+) token units/.exec(shown) ?? []
      expect(await settings()).toEqual({ ceilings: { perRequest: Number(atMost) } })
      expect(await self.device.tables.answers.list()).toHaveLength(1)

      const second = await ask().ended
      expect(second).toMatchObject({
        code: 0,
        shown: expect.not.stringMatching(/token units \(or/),
      })
      expect(await self.device.tables.answers.list()).toHaveLength(2)
    })

    it('behaviour: Ctrl-C at the question borrows nothing and keeps nothing', {
      timeout: 300_000,
    }, async () => {
      const before = await self.device.tables.answers.list()
      const { ceilings: _, ...without } = await settings()
      await writeFile(pathsOf(self).config, JSON.stringify(without))
      const asked = ask()
      await asked.seen(/One answer, token units/)
      asked.type('\x03')
      expect((await asked.ended).code).toBe(130)
      expect(await settings()).toEqual(without)
      expect(await self.device.tables.answers.list()).toHaveLength(before.length)
    })
  },
)
