/** What a lender gets to see of what a client asks over HTTP, and what it never does. */
import { hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { systemRandom } from '@freehold/core/platform'
import { bytesOutOfScope } from '@freehold/core/routing/bytes-out-of-scope'
import { readRules } from '@freehold/core/routing/rules'
import { tcp } from '@libp2p/tcp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { echoEngine } from '../device/echo-engine.fixture.ts'
import {
  befriend,
  createTown,
  type Inhabitant,
  MODEL,
  TCP,
  type Town,
} from '../device/town.fixture.ts'
import { BUNDLED } from '../models/acorn.ts'
import { openModelLibrary } from '../models/library.ts'
import { NO_FOREIGN } from '../models/store.fixture.ts'
import { type Listener, listen } from './listen.ts'
import { openServing, type Serving } from './open-serving.ts'

const TOKENS = [
  { name: 'editor', token: 'token-of-the-editor-1815' },
  { name: 'browser', token: 'token-of-the-browser-1815' },
]
const RULES = [
  { key: 'editor', scope: 'device', why: 'what the editor sends stays here' },
  { text: 'Project Falcon', do: 'redact' },
  { model: 'oak', scope: 'device' },
]
const MAIL = 'ada.lovelace@example.org'
const KEY = `ghp_${'a1B2'.repeat(9)}`

let town: Town
let borrower: Inhabitant
let serving: Serving
let listener: Listener
/** Every prompt that the lender was asked. */
const seen: string[] = []

beforeAll(async () => {
  town = await createTown()
  const lender = await town.lender({ device: { engine: echoEngine((text) => seen.push(text)) } })
  borrower = await town.inhabitant({
    engine: echoEngine(),
    rules: readRules(RULES, { keys: ['editor', 'browser'] }),
  })
  await befriend(borrower.device, lender.lending)
  serving = openServing(
    {
      ...{ paths: [], hub: {}, origins: [], hosts: [], pool: {}, tokens: TOKENS },
      responses: join(borrower.home, 'responses.db'),
      widestScope: 'market',
    },
    {
      device: borrower.device,
      library: openModelLibrary({ paths: pathsOf(borrower), foreign: NO_FOREIGN }),
    },
  )
  listener = await listen(serving.app.fetch, { port: 0 })
}, 120_000)
afterAll(async () => {
  await listener?.[Symbol.asyncDispose]()
  await serving?.[Symbol.asyncDispose]()
  await town?.[Symbol.asyncDispose]()
})

interface Asked {
  content: string
  token?: string
  stream?: boolean
  scope?: string
  model?: string
}

async function ask({ content, token, stream = false, scope = 'market', model = MODEL }: Asked) {
  const response = await fetch(`${listener.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token ?? TOKENS[1]?.token}`,
      'content-type': 'application/json',
      'x-freehold-scope': scope,
      'x-freehold-via': 'peer',
    },
    body: JSON.stringify({
      ...{ model, stream, max_tokens: 200, temperature: 0 },
      messages: [{ role: 'user', content: `${content}\n` }],
    }),
  })
  return { status: response.status, text: await response.text() }
}

const answerOf = (text: string): string => JSON.parse(text).choices[0].message.content
const lastEntry = async () => (await borrower.device.egress.entries()).at(-1)

describe('what leaves', () => {
  it('default: the lender sees a placeholder, the person the address', async () => {
    const { text } = await ask({ content: `Write to ${MAIL}, please` })
    expect(answerOf(text)).toBe(`Write to ${MAIL}, please`)
    expect(seen.at(-1)).toBe('Write to [MAIL_1], please\n')
    expect(await lastEntry()).toMatchObject({
      scope: 'market',
      why: expect.stringMatching(
        /^you asked for a peer; .*personal data is replaced beyond your own devices$/,
      ),
      redacted: { mail: 1 },
    })
    expect(JSON.stringify(await borrower.device.egress.entries())).not.toContain('lovelace')
    expect(await borrower.device.egress.verify()).toBeNull()
  })

  it('default: as a stream too, although the placeholder comes byte by byte', async () => {
    const { text } = await ask({ content: `Dear ${MAIL} and Project Falcon!`, stream: true })
    const pieces = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json ?? ''))
    const whole = pieces.map(({ choices }) => choices[0].delta.content ?? '').join('')
    expect(whole).toBe(`Dear ${MAIL} and Project Falcon!`)
    expect(seen.at(-1)).toBe('Dear [MAIL_1] and [TEXT_1]!\n')
    expect((await lastEntry())?.redacted).toEqual({ mail: 1, text: 1 })
  })

  it('default: evidence and audit are of what left', async () => {
    const before = new Set((await borrower.device.tables.answers.list()).map(([id]) => id))
    await ask({ content: `Call +49 30 1234567 or ${MAIL}` })
    await borrower.device.borrowing.idle()
    const rows = await borrower.device.tables.answers.list()
    const [, record] = rows.find(([id]) => !before.has(id))!
    const { request } = record.evidence!.terms
    expect(new TextDecoder().decode(Uint8Array.from(request.promptIds))).toBe(
      'Call [PHONE_1] or [MAIL_1]\n',
    )
    expect(record.audit?.statistics).toMatchObject({ out: 0 })
  })

  it('behaviour: a key blocks, and nothing leaves', async () => {
    const [asked, left] = [seen.length, (await borrower.device.egress.entries()).length]
    for (const stream of [false, true]) {
      const { status, text } = await ask({ content: `my key is ${KEY}`, stream })
      expect(status).toBe(403)
      const { error } = JSON.parse(text)
      expect(error).toMatchObject({
        type: 'permission_error',
        code: 'content_blocked',
        param: 'messages',
        message: expect.stringMatching(
          /GitHub token in message 1 at characters 11 to 50.*--scope own/,
        ),
      })
      expect(text).not.toContain(KEY.slice(4, 20))
    }
    expect(seen).toHaveLength(asked)
    expect(await borrower.device.egress.entries()).toHaveLength(left)
  })

  it('behaviour: a rule by token keeps here what another token lets travel', async () => {
    const asked = seen.length
    const { status, text } = await ask({ content: 'Hello', token: TOKENS[0]?.token ?? '' })
    expect([status, JSON.parse(text).error]).toMatchObject([
      403,
      { code: 'scope', message: expect.stringMatching(/what the editor sends stays here/) },
    ])
    expect(seen).toHaveLength(asked)
    expect((await ask({ content: 'Hello' })).status).toBe(200)
  })

  it('behaviour: a rule by model holds by each of its names', async () => {
    const { status, text } = await ask({ content: 'Hello', model: 'oak' })
    expect([status, JSON.parse(text).error.code]).toEqual([403, 'scope'])
  })

  it('default: nothing went further than it may', async () => {
    const entries = await borrower.device.egress.entries()
    expect(entries.length).toBeGreaterThan(3)
    expect(bytesOutOfScope(entries, { rungOf: () => 'market' })).toBe(0)
  })
})

/** Takes down what any stream of this process sends, until it is disposed. */
async function eavesdrop() {
  const one = await meshOf([TCP])
  const other = await meshOf([])
  await one.handle('/test/1', async (stream) => stream.close())
  const { stream } = await other.open(one.addresses()[0] ?? '', '/test/1')
  let owner: object = stream
  while (!Object.hasOwn(owner, 'send')) owner = Object.getPrototypeOf(owner)
  const all = owner as { send: (this: unknown, data: { subarray(): Uint8Array }) => boolean }
  const send = all.send
  const sent: Buffer[] = []
  all.send = function (data) {
    sent.push(Buffer.from(data.subarray()))
    return send.call(this, data)
  }
  await other[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  return {
    bytes: () => Buffer.concat(sent),
    [Symbol.dispose]: () => {
      all.send = send
    },
  }
}

async function meshOf(listen: string[]): Promise<Mesh> {
  const identity = await deriveIdentity(createPhrase(systemRandom), 0)
  return createMesh({ identity, listen }, { transports: [tcp()], log: () => {} })
}

describe('what a stream carries', () => {
  it('default: nothing of the machine, the person, the client or its token', async () => {
    using ear = await eavesdrop()
    // New connections say who they are.
    const device = await borrower.restart()
    const [known] = await device.peers.offers()
    await device.peers.ask(known?.address ?? '')
    const completion = await device.complete({
      model: MODEL,
      messages: [{ role: 'user', content: `From ${MAIL}, with ${TOKENS[1]?.name}\n` }],
      ...{ scope: 'market', via: 'peer', key: 'browser', temperature: 0 },
    })
    expect(completion.text).toBe(`From ${MAIL}, with browser`)
    await completion.settled
    const bytes = ear.bytes()
    // What is looked for would be seen: this is.
    for (const part of ['freehold/1', '/freehold/answer/1']) expect(bytes.includes(part)).toBe(true)
    expect(bytes.includes(Buffer.from(completion.record!.id, 'hex'))).toBe(true)
    const model = BUNDLED[MODEL] ?? ''
    expect(model).not.toBe('')
    const secrets = [
      ...[borrower.home, process.cwd(), model, 'acorn/acorn', userInfo().homedir, hostname()],
      ...[process.version, 'js-libp2p', 'node/', 'undici', process.platform],
      ...[MAIL, 'lovelace', ...TOKENS.flatMap(({ name, token }) => [name, token])],
    ]
    for (const secret of secrets.filter((text) => text.length > 3)) {
      expect([secret, bytes.includes(secret)]).toEqual([secret, false])
    }
    const words = Array.from(seen.at(-1)!).map((character) => character.charCodeAt(0))
    expect(completion.record?.evidence?.terms.request.promptIds).toEqual(words)
    expect(seen.at(-1)).toBe('From [MAIL_1], with browser\n')
  })
})
