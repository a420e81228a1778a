import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromHex, toHex } from '@freehold/core/bytes'
import type { HeaderProgress } from '@freehold/core/device/headers'
import type { ModelFile } from '@freehold/core/device/parts'
import { lengthenHeader } from '@freehold/core/engine/edited-models.fixture'
import type { HeaderReply } from '@freehold/core/wire/header-messages'
import { CHUNK_BYTES, type Manifest, manifestHash } from '@freehold/core/wire/manifest'
import type { OfferedModel } from '@freehold/core/wire/offer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashFile } from '../engine/hash-file.ts'
import { ACORN, createBrokenModels } from '../engine/test-models.ts'
import { readModelFile } from '../models/read-model-file.ts'
import { createBareModels } from '../models/store.fixture.ts'
import {
  createFakeLender,
  type FakeLenderInit,
  honestAnswer,
  offeredOf,
} from './fake-lender.fixture.ts'
import { befriend, createTown, MODEL, question, type Town } from './town.fixture.ts'

const files = await createBrokenModels()
const acorn = await readModelFile(ACORN)
let town: Town
let lender: Awaited<ReturnType<Town['lender']>>
/** The same model with a header of several chunks. */
let wordy: ModelFile
let acornOffered: OfferedModel

beforeAll(async () => {
  const path = await files.make('wordy', (bytes) => lengthenHeader(bytes, 2.5 * CHUNK_BYTES))
  wordy = await readModelFile(path)
  town = await createTown()
  lender = await town.lender()
  acornOffered = (await lender.lending.offer()).models[0]!
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
  await files[Symbol.asyncDispose]()
})

/** A device that holds no model at all. */
const bare = { models: createBareModels({}) }

async function egressOf({ device }: Awaited<ReturnType<Town['inhabitant']>>) {
  return (await device.egress.entries()).map(({ to, scope, why }) => ({ to, scope, why }))
}

describe('borrowing without the model', () => {
  it('default: fetches the header once, borrows, pays', async () => {
    const one = await town.inhabitant(bare)
    const { known } = await befriend(one.device, lender.lending)
    const progress: HeaderProgress[] = []
    const ask = { via: 'auto', onHeader: (step: HeaderProgress) => progress.push(step) } as const
    const completion = await one.device.complete(question(ask))
    expect(completion).toMatchObject({
      error: null,
      route: { where: 'peer', why: expect.stringMatching(/not on this device/) },
      model: { modelId: await hashFile(ACORN), name: 'Acorn', vocabSize: 2_048 },
      record: { modelId: await hashFile(ACORN), payment: 'open' },
    })
    const whole = await lender.device.model(MODEL)
    expect(completion.text).toBe(await whole.detokenize(completion.ids))
    expect(completion.promptTokens).toBe(
      completion.record!.evidence!.terms.request.promptIds.length,
    )
    await completion.settled
    await one.device.borrowing.idle()
    expect((await one.device.tables.answers.get(completion.record!.id))?.payment).toBe('paid')
    expect(progress.map(({ chunks, ofChunks }) => [chunks, ofChunks])).toEqual([
      [0, 1],
      [1, 1],
    ])
    const to = toHex(known.lender)
    const asks = { to, scope: 'market', why: 'asks for the header of Acorn' }
    const prompt = { to, scope: 'market', why: completion.route.why }
    expect(await egressOf(one)).toEqual([asks, prompt])

    const device = await one.restart()
    const next = await device.complete(question({ ...ask, maxTokens: 8 }))
    expect(next.error).toBeNull()
    await next.settled
    const later = { ...prompt, why: next.route.why }
    expect(await egressOf(one)).toEqual([asks, prompt, later])
    expect(progress).toHaveLength(2)
    expect(await device.egress.verify()).toBeNull()
  })

  it('behaviour: the same words get the same token ids as on a device with the model', async () => {
    const asked = async (init: Partial<typeof bare>) => {
      const { device } = await town.inhabitant(init)
      await befriend(device, lender.lending)
      const { record, settled } = await device.complete(question({ maxTokens: 1 }))
      await settled
      return record!.evidence!.terms.request
    }
    const [without, whole] = [await asked(bare), await asked({})]
    expect(without.promptIds).toEqual(whole.promptIds)
    expect(without.templateHash).toEqual(whole.templateHash)
  })

  it('behaviour: a model may be named by its id', async () => {
    const one = await town.inhabitant(bare)
    await befriend(one.device, lender.lending)
    const model = toHex(acornOffered.modelId)
    const completion = await one.device.complete(question({ model, maxTokens: 4 }))
    expect(completion.error).toBeNull()
    await completion.settled
    const unknown = one.device.complete(question({ model: 'ab'.repeat(32) }))
    await expect(unknown).rejects.toMatchObject({ reason: 'model' })
    expect(await egressOf(one)).toHaveLength(2)
  })

  it('behaviour: within the device it stays a model that is not here', async () => {
    const one = await town.inhabitant(bare)
    await befriend(one.device, lender.lending)
    const asked = one.device.complete(question({ scope: 'device', via: 'auto' }))
    await expect(asked).rejects.toThrow(/there is no model "acorn" here/)
    const own = one.device.complete(question({ scope: 'own' }))
    await expect(own).rejects.toMatchObject({ reason: 'standing' })
    const here = one.device.complete(question({ via: 'here' }))
    await expect(here).rejects.toMatchObject({ name: 'ScopeError' })
    expect(await egressOf(one)).toEqual([])
  })

  it('behaviour: a header that was changed on the disk is noticed and fetched anew', async () => {
    const one = await town.inhabitant(bare)
    await befriend(one.device, lender.lending)
    await (await one.device.complete(question({ maxTokens: 4 }))).settled
    const folder = join(one.home, 'headers')
    const kept = await readdir(folder)
    expect(kept).toHaveLength(1)
    const path = join(folder, kept[0]!)
    const before = await readFile(path)
    // Another template would put other words into every prompt.
    const changed = Buffer.from(before)
    changed.write('hacked', changed.indexOf('im_start'))
    for (const bytes of [changed, Buffer.alloc(0)]) {
      await writeFile(path, bytes)
      const device = await one.restart()
      const completion = await device.complete(question({ maxTokens: 4 }))
      expect(completion.error).toBeNull()
      await completion.settled
      expect(await readFile(path)).toEqual(before)
    }
  })
})

describe('a lender that', () => {
  const impatient = { ...bare, deadlines: { chunkMs: 5_000 } }

  /** Borrows from a fake lender that offers acorn. @returns how it ended, and what it was asked */
  async function borrowFrom(
    answer: FakeLenderInit['answer'],
    init: { file?: ModelFile; offered?: Partial<OfferedModel>; device?: typeof bare } = {},
  ) {
    const offered = { ...offeredOf(init.file ?? acorn, acornOffered), ...init.offered }
    await using fake = await createFakeLender({ offered, answer })
    const one = await town.inhabitant(init.device ?? bare)
    await one.device.peers.ask(fake.address)
    const error = await one.device.complete(question()).then(
      () => null,
      (thrown: Error) => thrown,
    )
    const kept = await readdir(join(one.home, 'headers')).catch(() => [])
    return { error, asked: fake.asked, kept, one }
  }

  /** Replies of which one part is not what it should be. */
  const lying =
    (file: ModelFile, change: (reply: HeaderReply) => HeaderReply | Uint8Array | null) =>
    async (request: Parameters<FakeLenderInit['answer']>[0]) =>
      change(await honestAnswer(file, request))

  const withFile = (change: Partial<Manifest['files'][number]>): Manifest => ({
    files: [{ ...acorn.manifest.files[0]!, ...change }],
  })

  it('default: says the truth is asked for manifest and chunk, then for the answer', async () => {
    // It serves the header and no answers.
    const { error, asked } = await borrowFrom((request) => honestAnswer(acorn, request))
    expect(asked.map(({ chunk }) => chunk)).toEqual([null, 0])
    expect(error).toMatchObject({ reason: 'lost' })
  })

  const OTHER = { chunkRoot: new Uint8Array(32).fill(7) }
  it.each<[string, RegExp, (reply: HeaderReply) => HeaderReply | Uint8Array | null]>([
    [
      'sends another manifest than it offered',
      /not the offered one/,
      (reply) => (reply.kind === 'manifest' ? { ...reply, manifest: withFile(OTHER) } : reply),
    ],
    [
      'sends a wrong list of chunk hashes',
      /list of chunk hashes/,
      (reply) =>
        reply.kind === 'manifest'
          ? { ...reply, chunkHashes: reply.chunkHashes.with(40, reply.chunkHashes[40]! ^ 1) }
          : reply,
    ],
    [
      'sends too short a list',
      /list of chunk hashes/,
      (reply) =>
        reply.kind === 'manifest'
          ? { ...reply, chunkHashes: reply.chunkHashes.slice(0, 32) }
          : reply,
    ],
    [
      'changes a byte of the header',
      /chunk 0 has another hash/,
      (reply) =>
        reply.kind === 'chunk'
          ? { ...reply, data: reply.data.with(1_000, reply.data[1_000]! ^ 1) }
          : reply,
    ],
    [
      'sends another chunk than asked for',
      /instead of chunk 0/,
      (reply) => (reply.kind === 'chunk' ? { ...reply, index: 1 } : reply),
    ],
    [
      'sends a chunk for a manifest',
      /instead of a manifest/,
      () => ({ kind: 'chunk', index: 0, data: new Uint8Array(9) }),
    ],
    ['refuses', /refuses the header: not today/, () => ({ kind: 'refuse', why: 'not today' })],
    ['sends garbage', /breaks the protocol/, () => new Uint8Array(64).fill(0xf6)],
  ])('behaviour: %s gets no prompt', async (_, message, change) => {
    const { error, one } = await borrowFrom(lying(acorn, change))
    expect(error?.message).toMatch(message)
    expect(error?.name).toBe('LendingError')
    expect((await egressOf(one)).map(({ why }) => why)).toEqual(['asks for the header of Acorn'])
  })

  it.each<[string, RegExp, Manifest]>([
    ['names another model', /another model/, withFile({ sha256: new Uint8Array(32) })],
    [
      'claims an oversize header',
      /at most 32 MiB/,
      withFile({ sizeBytes: 2 ** 30, headerBytes: 2 ** 29 }),
    ],
    ['claims no header', /makes no sense/, withFile({ headerBytes: 0 })],
    [
      'has several files',
      /several files/,
      { files: [...acorn.manifest.files, ...acorn.manifest.files] },
    ],
    ['claims a shorter header', /its manifest says/, withFile({ headerBytes: 4_096 })],
  ])('behaviour: offers a manifest that %s gets no prompt', async (_, message, manifest) => {
    const file = { ...acorn, manifest }
    const { error, one } = await borrowFrom((request) => honestAnswer(file, request), {
      offered: { manifestHash: manifestHash(file.manifest), modelId: acornOffered.modelId },
    })
    expect(error?.message).toMatch(message)
    expect(await egressOf(one)).toHaveLength(1)
  })

  it.each<[string, RegExp, Partial<OfferedModel>]>([
    ['template', /another chat template/, { templateHash: new Uint8Array(32) }],
    ['vocabulary', /another vocabulary/, { vocabSize: 2_047 }],
  ])(
    'behaviour: offers another %s than its header has gets no prompt',
    async (_, message, offered) => {
      const { error, one } = await borrowFrom((request) => honestAnswer(acorn, request), {
        offered,
      })
      expect(error?.message).toMatch(message)
      expect(await egressOf(one)).toHaveLength(1)
    },
  )

  it('behaviour: stalls is given up; the next one goes on where it stopped', async () => {
    const { error, asked, kept, one } = await borrowFrom(
      async (request) => (request.chunk === 1 ? null : honestAnswer(wordy, request)),
      { file: wordy, device: impatient },
    )
    expect(error).toMatchObject({ reason: 'deadline', why: expect.stringMatching(/no chunk/) })
    expect(asked.map(({ chunk }) => chunk)).toEqual([null, 0, 1])
    expect(kept).toHaveLength(2)

    const offered = offeredOf(wordy, acornOffered)
    await using honest = await createFakeLender({
      offered,
      answer: (request) => honestAnswer(wordy, request),
    })
    await one.device.peers.ask(honest.address)
    const lenderKey = toHex((await one.device.peers.ask(honest.address)).lender)
    // It serves no answers, but its header is whole now.
    const again = one.device.complete(question({ lender: lenderKey }))
    await expect(again).rejects.toMatchObject({ reason: 'lost' })
    expect(honest.asked.map(({ chunk }) => chunk)).toEqual([1, 2])
    expect(await readdir(join(one.home, 'headers'))).toHaveLength(1)
  })

  it('behaviour: lies is passed over for one that does not', async () => {
    await using liar = await createFakeLender({
      offered: { ...acornOffered, name: MODEL },
      answer: async () => ({ kind: 'refuse', why: 'no' }),
    })
    const one = await town.inhabitant(bare)
    await befriend(one.device, lender.lending)
    const { lender: key } = await one.device.peers.ask(liar.address)
    // The liar is free, so it is the cheapest: asked first for the header, and then for the answer,
    // to which it never says ready: no content has left for it.
    const broken: string[] = []
    const { error, parts } = await one.device.complete(
      question({ onBreak: ({ lender: by, reason }) => broken.push(by, reason) }),
    )
    expect(broken).toEqual([toHex(key), 'lost'])
    expect({ error, parts }).toMatchObject({ error: null, parts: [{ end: 'receipt' }] })
    const left = (await egressOf(one)).map(({ to }) => to === toHex(key))
    expect(left).toEqual([true, false, false])
  })

  it('behaviour: offers a false manifest for nothing stands in nobody’s way', async () => {
    const file = { ...acorn, manifest: withFile(OTHER) }
    const offered = { ...offeredOf(file, acornOffered), modelId: acornOffered.modelId }
    await using liar = await createFakeLender({
      offered,
      answer: (request) => honestAnswer(file, request),
    })
    const one = await town.inhabitant(bare)
    await one.device.peers.ask(liar.address)
    await befriend(one.device, lender.lending)
    const completion = await one.device.complete(question({ maxTokens: 4 }))
    expect(completion.error).toBeNull()
    expect(liar.asked).toHaveLength(1)
    await completion.settled
  })

  it('behaviour: calls another model by a known name is not mistaken for it', async () => {
    await using other = await createFakeLender({
      offered: { ...acornOffered, modelId: fromHex('ab'.repeat(32)) },
      answer: async () => null,
    })
    const one = await town.inhabitant(bare)
    await befriend(one.device, lender.lending)
    await one.device.peers.ask(other.address)
    const asked = one.device.complete(question())
    await expect(asked).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(/several models are called acorn/),
    })
    const model = toHex(acornOffered.modelId)
    const meant = await one.device.complete(question({ model, maxTokens: 4 }))
    expect(meant.error).toBeNull()
    await meant.settled
  })
})
