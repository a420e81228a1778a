import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BUNDLED } from '../models/acorn.ts'
import { startFakeHub } from '../models/hub.fixture.ts'
import { chooseOffer } from './choose-offer.ts'
import { hasScript, typed as typedInTerminal } from './terminal.fixture.ts'

/** What asks a terminal for foreground or background colours, after its escape character. */
const COLOURS = /^\[(?:[0-9;]*;)?(?:3|4|9|10)[0-7](?:;[0-9;]*)?m/

const { best } = await chooseOffer('/nowhere')

let home: string
/** A hub that has nothing. */
let hub: Server
/** Which hub is asked. */
let endpoint: string
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
  endpoint = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`
})
afterEach(async () => {
  running()
  hub.close()
  await rm(home, { recursive: true, force: true })
})

/** Runs it in a terminal; a test that waits in vain leaves nothing behind. */
const typed = (args: string, ...steps: [words: RegExp, keys: string][]) =>
  typedInTerminal(
    args,
    {
      env: { FREEHOLD_HOME: home, HF_ENDPOINT: endpoint, NO_COLOR: '1' },
      onStart: (end) => {
        running = end
      },
    },
    ...steps,
  )

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
      expect(first.raw.split('\x1b').filter((code) => COLOURS.test(code))).toEqual([])
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

    it('behaviour: what a yes fetched is the default model from then on', async () => {
      await using tiny = await startFakeHub()
      tiny.files.set('tiny-Q8_0.gguf', await readFile(BUNDLED['acorn-small'] ?? ''))
      const entry = { name: 'tiny', title: 'Tiny', licence: 'MIT', source: 'hf.co/user/repo' }
      const shape = { parameters: 1e6, contextTokens: 512, kvNumbers: 1024, vocabulary: 4096 }
      await writeFile(join(home, 'catalogue.json'), JSON.stringify([{ ...entry, ...shape }]))
      endpoint = tiny.endpoint
      const first = await typed('run Hello', [/Fetch it from the hub now/, 'y'])
      expect(first.shown).toMatch(/freehold run asks it from now on/)
      const show = await typed('config show --json')
      const model = { name: 'model', value: 'hf.co/user/repo:Q8_0' }
      expect(JSON.parse(show.shown)).toContainEqual({ ...model, origin: join(home, 'config.json') })
      const models = JSON.parse((await typed('list --json')).shown)
      const { id } = models.find(({ name }: { name: string }) => name === model.value)
      // As others ask: no terminal, no offer.
      expect(JSON.parse((await typed('run --json Hello')).shown)).toMatchObject({ modelId: id })
      await typed('rm hf.co/user/repo:Q8_0')
      const gone = await typed('run Hello')
      expect(gone.code).toBe(1)
      expect(gone.shown).toMatch(/the default model hf\.co\/user\/repo:Q8_0 is not here/)
      expect((await typed('run acorn Hello')).code).toBe(0)
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
