import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { concat } from '../bytes.ts'
import { TOY_INFO } from '../engine/toy-model.fixture.ts'
import { WireError } from '../errors.ts'
import { DEFAULT_DEADLINES } from '../lending/deadlines.ts'
import { scriptedStream } from '../mesh/messages.fixture.ts'
import {
  decodeHeaderReply,
  encodeHeaderRequest,
  type HeaderReply,
  type HeaderRequest,
} from '../wire/header-messages.ts'
import { CHUNK_BYTES, manifestHash } from '../wire/manifest.ts'
import { createHeaderDesk } from './header-desk.ts'
import { createLentModels } from './lent-models.ts'
import { createModelShelf } from './model-shelf.ts'

/** A file of four chunks, of which the first and a part of the second are its header. */
const bytes = Uint8Array.from({ length: 3 * CHUNK_BYTES + 100 }, (_, i) => (i * 31) & 255)
const chunkOf = (index: number, of = bytes) =>
  of.slice(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)
const chunkHashes = concat(...[0, 1, 2, 3].map((index) => sha256(chunkOf(index))))
const manifest = {
  files: [
    {
      sha256: filled(32, 1),
      sizeBytes: bytes.length,
      chunkRoot: sha256(chunkHashes),
      headerBytes: CHUNK_BYTES + 1,
    },
  ],
}
const file = { source: 'a file', manifest, chunkHashes }
const name = { modelId: filled(32, 1), manifestHash: manifestHash(manifest) }
const offered = {
  ...name,
  templateHash: filled(32, 3),
  name: 'toy',
  contextTokens: 1,
  vocabSize: 1,
  profile: TOY_INFO.profile,
}
const PEER = filled(32, 9)

const lent = createLentModels(
  { lent: [{ name: 'toy', file, offered }], contextTokens: 1, sequences: 1 },
  { shelf: createModelShelf({ engine: null as never, models: null as never }) },
)

function createDesk(content = bytes) {
  let now = 0
  const clock = { now: () => now, after: () => () => {} }
  const models = {
    read: async (_: string, from: number, count: number) => content.slice(from, from + count),
  }
  const desk = createHeaderDesk(lent, {
    models,
    clock,
    deadlines: DEFAULT_DEADLINES,
  })
  return { desk, pass: (ms: number) => (now += ms) }
}

type Asked = Partial<HeaderRequest> | Uint8Array

function streamOf(requests: Asked[], init: { isOpen?: boolean } = {}) {
  const encoded = requests.map((one) =>
    one instanceof Uint8Array ? one : encodeHeaderRequest({ ...name, chunk: null, ...one }),
  )
  return scriptedStream(encoded, init)
}

async function ask(
  requests: Asked[],
  { desk } = createDesk(),
  peer = PEER,
): Promise<HeaderReply[]> {
  const { stream, written } = streamOf(requests)
  await desk.serve(stream, peer)
  return written.map(decodeHeaderReply)
}

describe('header desk', () => {
  it('default: serves the manifest and the chunks that hold the header', async () => {
    expect(await ask([{}, { chunk: 0 }, { chunk: 1 }])).toEqual([
      { kind: 'manifest', manifest, chunkHashes },
      { kind: 'chunk', index: 0, data: chunkOf(0) },
      { kind: 'chunk', index: 1, data: chunkOf(1) },
    ])
  })

  it.each<[string, Partial<HeaderRequest>, RegExp]>([
    ['a chunk behind the header', { chunk: 2 }, /no part of the header/],
    ['a model that is not lent', { modelId: filled(32, 5) }, /not lent here/],
    ['another manifest', { manifestHash: filled(32, 5) }, /another here/],
  ])('behaviour: refuses %s, and ends', async (_, request, why) => {
    const replies = await ask([request, { chunk: 0 }])
    expect(replies).toEqual([{ kind: 'refuse', why: expect.stringMatching(why) }])
  })

  it('behaviour: a file that has changed is not served', async () => {
    const changed = bytes.with(5, 0)
    const replies = await ask([{ chunk: 1 }, { chunk: 0 }], createDesk(changed))
    expect(replies.map(({ kind }) => kind)).toEqual(['chunk', 'refuse'])
  })

  it('behaviour: what is no request ends the stream without a word', async () => {
    const { stream, written } = streamOf([filled(40, 0xf6)])
    await expect(createDesk().desk.serve(stream, PEER)).rejects.toThrow(WireError)
    expect(written).toEqual([])
  })

  it('behaviour: a stream has an end', async () => {
    const replies = await ask(Array.from({ length: 100 }, () => ({})))
    expect(replies.at(-1)).toMatchObject({ kind: 'refuse', why: 'these are too many requests' })
    expect(replies.length).toBeLessThan(40)
  })

  it('behaviour: one device has two streams at once, and others have theirs', async () => {
    const { desk } = createDesk()
    const open = () => void desk.serve(streamOf([], { isOpen: true }).stream, PEER)
    open()
    open()
    expect(await ask([{}], { desk, pass: () => 0 })).toMatchObject([{ kind: 'refuse' }])
    expect(await ask([{}], { desk, pass: () => 0 }, filled(32, 8))).toMatchObject([
      { kind: 'manifest' },
    ])
  })

  it('behaviour: one device has so many bytes a minute', async () => {
    const made = createDesk()
    const thirty = Array.from({ length: 30 }, () => ({ chunk: 0 }))
    await ask(thirty, made)
    await ask(thirty, made)
    const replies = await ask(thirty, made)
    expect(replies.map(({ kind }) => kind)).toEqual(['chunk', 'chunk', 'chunk', 'chunk', 'refuse'])
    expect(await ask([{ chunk: 0 }], made, filled(32, 8))).toMatchObject([{ kind: 'chunk' }])
    made.pass(60_000)
    expect(await ask([{ chunk: 0 }], made)).toMatchObject([{ kind: 'chunk' }])
  })
})
