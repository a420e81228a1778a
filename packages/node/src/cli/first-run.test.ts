import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chooseOffer } from './choose-offer.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const hasScript = spawnSync('script', ['--version']).status === 0
const { best } = await chooseOffer('/nowhere')

let home: string
/** A hub that has nothing. */
let hub: Server
let asked: string[]
let running = () => false

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-first-'))
  asked = []
  hub = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(404).end()
  })
  hub.listen(0, '127.0.0.1')
  await once(hub, 'listening')
})
afterEach(async () => {
  running()
  hub.close()
  await rm(home, { recursive: true, force: true })
})

/** Runs it in a terminal and types `keys` once `words` are shown. @returns status and all that was shown */
async function typed(args: string, ...steps: [words: RegExp, keys: string][]) {
  const command = `stty cols 100 rows 40; ${process.execPath} --no-warnings ${MAIN} ${args}`
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    env: {
      ...process.env,
      FREEHOLD_HOME: home,
      HF_ENDPOINT: `http://127.0.0.1:${(hub.address() as AddressInfo).port}`,
      TERM: 'xterm',
    },
  })
  let shown = ''
  const more = new EventEmitter()
  child.stdout.on('data', (data: Buffer) => {
    shown += stripVTControlCharacters(data.toString())
    more.emit('more')
  })
  const closed = once(child, 'close')
  // A test that waits in vain leaves nothing behind.
  running = () => child.kill()
  for (const [words, keys] of steps) {
    while (!words.test(shown)) await once(more, 'more')
    child.stdin.write(keys)
  }
  const [code] = await closed
  return { code, shown }
}

const wasOffered = () =>
  stat(join(home, 'offered')).then(
    () => true,
    () => false,
  )

describe.skipIf(!hasScript || best === null)(
  'freehold run, the first time (skipped without script, a network interface or memory for a listed model)',
  () => {
    it('default: a no is kept, and nothing is asked of a network', async () => {
      const first = await typed('run Hello', [/Fetch it from the hub now/, 'n'])
      expect(first.code).toBe(0)
      expect(first.shown).toMatch(/Later: freehold pull hf\.co\//)
      expect(asked).toEqual([])
      const second = await typed('run Hello')
      expect(second.code).toBe(0)
      expect(second.shown).not.toMatch(/fits this device/)
    })

    it('behaviour: a yes fetches; where that fails Acorn answers', async () => {
      const { code, shown } = await typed('run Hello', [/Fetch it from the hub now/, 'y'])
      expect(asked.length).toBeGreaterThan(0)
      expect(shown).toMatch(/Acorn is here and answers/)
      expect(code).toBe(0)
    })

    it('behaviour: Ctrl-C ends it, and the next run asks again', async () => {
      const { code } = await typed('run Hello', [/Fetch it from the hub now/, '\x03'])
      expect(code).toBe(130)
      expect(asked).toEqual([])
      expect(await wasOffered()).toBe(false)
    })

    it('behaviour: who names a model, or wants JSON, is not asked', async () => {
      for (const args of ['run acorn Hello', 'run --json Hello']) {
        const { code, shown } = await typed(args)
        expect({ code, isAsked: /fits this device/.test(shown) }).toEqual({
          code: 0,
          isAsked: false,
        })
      }
      expect(await wasOffered()).toBe(false)
    })
  },
)
