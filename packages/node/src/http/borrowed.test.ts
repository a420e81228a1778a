/** An answer that a client borrows over HTTP: a real lender, real money of a development chain. */
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { befriend, createTown, type Inhabitant, MODEL, type Town } from '../device/town.fixture.ts'
import { openModelLibrary } from '../models/library.ts'
import { NO_FOREIGN } from '../models/store.fixture.ts'
import { listen } from './listen.ts'
import { openServing } from './open-serving.ts'

let town: Town
let lender: Awaited<ReturnType<Town['lender']>>
let borrower: Inhabitant
const open: AsyncDisposable[] = []
let url: string

/** Serves a device over HTTP. @returns where */
async function serve(self: Inhabitant): Promise<string> {
  const serving = openServing(
    {
      paths: [],
      hub: {},
      responses: join(self.home, 'responses.db'),
      widestScope: 'market',
      tokens: [],
      origins: [],
      hosts: [],
      pool: {},
    },
    {
      device: self.device,
      library: openModelLibrary({ paths: pathsOf(self), foreign: NO_FOREIGN }),
    },
  )
  const listener = await listen(serving.app.fetch, { port: 0 })
  open.push(serving, listener)
  return listener.url
}

beforeAll(async () => {
  town = await createTown()
  lender = await town.lender()
  borrower = await town.inhabitant()
  await befriend(borrower.device, lender.lending)
  url = await serve(borrower)
}, 120_000)
afterAll(async () => {
  for (const one of open.reverse()) await one[Symbol.asyncDispose]()
  await town[Symbol.asyncDispose]()
})

describe('a borrowed answer over HTTP', () => {
  const headers = { 'x-freehold-scope': 'market', 'x-freehold-via': 'peer' }
  const ask = (more: object = {}, moreHeaders: Record<string, string> = {}, at = url) =>
    new OpenAI({
      baseURL: `${at}/v1`,
      apiKey: 'none',
      maxRetries: 0,
      defaultHeaders: { ...headers, ...moreHeaders },
    }).chat.completions.create({
      model: MODEL,
      messages: [{ role: 'user', content: 'What is 7 plus 5?' }],
      max_tokens: 40,
      temperature: 0,
      ...more,
    })

  it('default: it comes with a receipt, and is paid for', async () => {
    const { data, response } = await ask().withResponse()
    expect(data).toMatchObject({ choices: [{ message: { content: expect.stringMatching(/12/) } }] })
    const receipt = response.headers.get('x-freehold-receipt')
    const record = await borrower.device.tables.answers.get(receipt ?? '')
    expect(record).toMatchObject({ modelName: 'Acorn' })
    expect(await borrower.device.egress.entries()).not.toHaveLength(0)
  })

  it('behaviour: what the audited sampler cannot do leaves nothing of the device', async () => {
    const before = (await borrower.device.egress.entries()).length
    await expect(ask({ seed: 4 })).rejects.toMatchObject({ status: 400, param: 'seed' })
    expect(await borrower.device.egress.entries()).toHaveLength(before)
  })

  it('behaviour: what costs more than the request lets it is refused before anything leaves', async () => {
    const before = (await borrower.device.egress.entries()).length
    for (const stream of [false, true]) {
      await expect(ask({ stream }, { 'x-freehold-max-price': '1' })).rejects.toMatchObject({
        status: 402,
        code: 'price_ceiling',
        type: 'billing_error',
        param: 'x-freehold-max-price',
        message: expect.stringMatching(/may cost \d+ token units: you let one cost 1\./),
      })
    }
    expect(await borrower.device.egress.entries()).toHaveLength(before)
    const answer = await ask({}, { 'x-freehold-max-price': '1000000000' })
    expect(answer.choices[0]?.message.content).toMatch(/12/)
  })

  it('behaviour: without a word on what it may cost it is refused, and with one it is there', async () => {
    const self = await town.inhabitant({ ceilings: null })
    await befriend(self.device, lender.lending)
    const at = await serve(self)
    for (const stream of [false, true]) {
      await expect(ask({ stream }, {}, at)).rejects.toMatchObject({
        status: 402,
        code: 'price_ceiling',
        param: 'x-freehold-max-price',
        message: expect.stringMatching(/nobody has said.*wallet limits.*x-freehold-max-price/),
      })
    }
    expect(await self.device.egress.entries()).toEqual([])
    const answer = await ask({}, { 'x-freehold-max-price': '1000000000' }, at)
    expect(answer.choices[0]?.message.content).toMatch(/12/)
    // That was for one: the next is refused again.
    await expect(ask({}, {}, at)).rejects.toMatchObject({ status: 402 })
  })
})
