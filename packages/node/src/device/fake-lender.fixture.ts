/** A lender of which a test says each word: it makes a real offer and serves headers as told. */
import { makeOffer } from '@freehold/core/device/offers'
import type { ModelFile } from '@freehold/core/device/parts'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh } from '@freehold/core/mesh/mesh'
import { HEADER_PROTOCOL, OFFER_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import {
  decodeHeaderRequest,
  encodeHeaderReply,
  type HeaderReply,
  type HeaderRequest,
  MAX_HEADER_REQUEST_BYTES,
} from '@freehold/core/wire/header-messages'
import { CHUNK_BYTES, manifestHash } from '@freehold/core/wire/manifest'
import { encodeOffer, type OfferedModel } from '@freehold/core/wire/offer'
import { tcp } from '@libp2p/tcp'
import { createBareModels } from '../models/store.fixture.ts'
import { TCP } from './town.fixture.ts'

export interface FakeLender extends AsyncDisposable {
  address: string
  asked: HeaderRequest[]
}

export interface FakeLenderInit {
  offered: OfferedModel
  /** What it says to one request; null: nothing, and it keeps the stream open. */
  answer: (request: HeaderRequest) => Promise<HeaderReply | Uint8Array | null>
}

export async function createFakeLender({ offered, answer }: FakeLenderInit): Promise<FakeLender> {
  const identity = await deriveIdentity(createPhrase(systemRandom), 0)
  const mesh = await createMesh({ identity, listen: [TCP] }, { transports: [tcp()], log: () => {} })
  const asked: HeaderRequest[] = []
  const ending = Promise.withResolvers<void>()
  await mesh.handle(OFFER_PROTOCOL, async (stream) => {
    const addresses = mesh.addresses()
    const terms = { models: [offered], payment: null, addresses, nowMs: Date.now() }
    const messages = messagesOver(stream, 1)
    await messages.write(encodeOffer(await makeOffer(identity, { ...terms, lifeMs: 300_000 })))
    await messages.close()
  })
  await mesh.handle(HEADER_PROTOCOL, async (stream) => {
    const messages = messagesOver(stream, MAX_HEADER_REQUEST_BYTES)
    for (;;) {
      const data = await messages.read()
      if (data === null) return
      const request = decodeHeaderRequest(data)
      asked.push(request)
      const reply = await answer(request)
      if (reply === null) return ending.promise
      await messages.write(reply instanceof Uint8Array ? reply : encodeHeaderReply(reply))
    }
  })
  return {
    address: mesh.addresses()[0] ?? '',
    asked,
    [Symbol.asyncDispose]: async () => {
      ending.resolve()
      await mesh[Symbol.asyncDispose]()
    },
  }
}

/** What an honest lender would say of a file. */
export async function honestAnswer(
  { manifest, chunkHashes, source }: ModelFile,
  { chunk }: HeaderRequest,
): Promise<HeaderReply> {
  if (chunk === null) return { kind: 'manifest', manifest, chunkHashes }
  const data = await createBareModels().read(source, chunk * CHUNK_BYTES, CHUNK_BYTES)
  return { kind: 'chunk', index: chunk, data }
}

/** An offer's words about a file, which a test may change. */
export function offeredOf({ manifest }: ModelFile, base: OfferedModel): OfferedModel {
  const modelId = manifest.files[0]?.sha256 ?? base.modelId
  return { ...base, modelId, manifestHash: manifestHash(manifest) }
}
