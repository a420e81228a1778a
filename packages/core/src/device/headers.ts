import { sha256 } from '@noble/hashes/sha2.js'
import { withinTime } from '../abort.ts'
import { equal, toHex } from '../bytes.ts'
import type { Model } from '../engine/engine.ts'
import { tensorlessGguf } from '../engine/tensorless-gguf.ts'
import { LendingError } from '../errors.ts'
import { asLendingError } from '../lending/duplex.ts'
import { messagesOver } from '../mesh/frames-over-stream.ts'
import { HEADER_PROTOCOL } from '../mesh/protocols.ts'
import { watchSilence } from '../mesh/silence-watch.ts'
import { existing } from '../storage.ts'
import type { Scope } from '../wire/frames.ts'
import { encodeHeaderRequest, MAX_HEADER_REPLY_BYTES } from '../wire/header-messages.ts'
import { manifestHash } from '../wire/manifest.ts'
import type { OfferedModel } from '../wire/offer.ts'
import { fetchChunks, fetchPlan, type HeaderPlan, hashOf, planOf } from './header-fetch.ts'
import { isAlive } from './model-shelf.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer } from './peers.ts'

/** How far a header has come. */
export interface HeaderProgress {
  model: string
  /** Model id, hex. */
  modelId: string
  /** Device key of who serves it, hex. */
  lender: string
  chunks: number
  ofChunks: number
}

export interface TakeHeaderInit {
  scope: Scope
  signal?: AbortSignal | undefined
  onProgress?: ((progress: HeaderProgress) => void) | undefined
}

/** Models of which this device holds the header alone: enough to ask for an answer and to read it. */
export interface HeaderService extends AsyncDisposable {
  /**
   * The model of an offer, as far as its header goes: it tokenises and opens no sequence.
   * @param sources devices that offer the model with this very manifest, in the order to ask them
   * @throws LendingError when none serves a header that holds, ModelError when it is no model's
   */
  take(offered: OfferedModel, sources: readonly KnownOffer[], init: TakeHeaderInit): Promise<Model>
}

export function createHeaderService(parts: Parts): HeaderService {
  const { tables, engine, mesh, egress, deadlines, log, clock, headers: blobs } = parts
  const loaded = new Map<string, Promise<{ model: Model }>>()

  async function take(
    offered: OfferedModel,
    sources: readonly KnownOffer[],
    init: TakeHeaderInit,
  ): Promise<Model> {
    const key = toHex(offered.manifestHash)
    const known = loaded.get(key)
    if (known !== undefined && (await isAlive(known))) return (await known).model
    if (loaded.get(key) === known) loaded.delete(key)
    const loading = loaded.get(key) ?? load(offered, sources, init).then((model) => ({ model }))
    loaded.set(key, loading)
    loading.catch(() => loaded.delete(key))
    return (await loading).model
  }

  async function load(
    offered: OfferedModel,
    sources: readonly KnownOffer[],
    init: TakeHeaderInit,
  ): Promise<Model> {
    const row = await tables.headers.get(toHex(offered.manifestHash))
    if (row?.gguf) {
      const model = await loadKept(offered, row.gguf, init.signal).catch((error) => {
        init.signal?.throwIfAborted()
        log('headers.unusable', { error: String(error) })
        return null
      })
      if (model !== null) return model
    }
    const gguf = await fetch(offered, sources, init)
    const model = await loadKept(offered, gguf, init.signal)
    if (model !== null) return model
    throw new LendingError('model', { what: `the header of ${offered.name} changed on this disk` })
  }

  /** Loads a header that is kept; null when it is not what was kept. */
  async function loadKept(
    { modelId, name, manifestHash: hash }: OfferedModel,
    gguf: string,
    signal?: AbortSignal,
  ): Promise<Model | null> {
    const model = await engine.load(blobs.source(gguf), { vocabOnly: true, signal })
    // An engine names what it loaded by its hash: a file that was changed has another.
    if (model.info.modelId !== gguf) {
      await model[Symbol.asyncDispose]()
      return null
    }
    const { manifest } = existing(await tables.headers.get(toHex(hash)), 'header')
    const sizeBytes = manifest.files[0]?.sizeBytes ?? 0
    return {
      info: { ...model.info, name, modelId: toHex(modelId), sizeBytes },
      tokenize: (text, init) => model.tokenize(text, init),
      detokenize: (ids) => model.detokenize(ids),
      openSequence: (init) => model.openSequence(init),
      [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
    }
  }

  /** Asks one source after the other. @returns the name of the finished blob */
  async function fetch(
    offered: OfferedModel,
    sources: readonly KnownOffer[],
    init: TakeHeaderInit,
  ): Promise<string> {
    let last: unknown = new LendingError('lost', {
      what: `nobody serves the header of ${offered.name}`,
    })
    for (const source of sources) {
      try {
        return await fetchFrom(source, offered, init)
      } catch (error) {
        init.signal?.throwIfAborted()
        if (!(error instanceof LendingError)) throw error
        log('headers.failed', { lender: toHex(source.lender), error: error.message })
        last = error
      }
    }
    throw last
  }

  async function fetchFrom(
    source: KnownOffer,
    offered: OfferedModel,
    { scope, signal: cancelled, onProgress }: TakeHeaderInit,
  ): Promise<string> {
    if (mesh === null) {
      throw new LendingError('lost', { what: 'this device runs without a network' })
    }
    const { modelId, manifestHash: hash, name } = offered
    const first = encodeHeaderRequest({ modelId, manifestHash: hash, chunk: null })
    // Which model somebody wants is their business: on disk before the first byte leaves.
    await egress.append({
      digest: toHex(sha256(first)),
      sizeBytes: first.length,
      to: toHex(source.lender),
      scope,
      why: `asks for the header of ${name}`,
      priceUnits: '0',
    })
    const signal = withinTime(cancelled, deadlines.totalMs)
    const { stream, peer } = await mesh
      .open(source.address, HEADER_PROTOCOL, {
        signal: withinTime(signal, deadlines.connectMs),
      })
      .catch((error) => {
        signal.throwIfAborted()
        throw asLendingError(error)
      })
    using silence = watchSilence(stream, deadlines.silenceMs, clock)
    const messages = messagesOver(stream, MAX_HEADER_REPLY_BYTES)
    try {
      if (!equal(peer, source.lender)) {
        throw new LendingError('protocol', { what: 'another device answers at this address' })
      }
      const either = AbortSignal.any([signal, silence.signal])
      const from = { messages, deadlines, signal: either }
      const plan = (await keptPlan(offered)) ?? (await fetchPlan(offered, from))
      await keepPlan(offered, plan)
      const onChunk = (chunks: number, ofChunks: number) => {
        silence.touch()
        onProgress?.({
          model: name,
          modelId: toHex(modelId),
          lender: toHex(source.lender),
          chunks,
          ofChunks,
        })
      }
      const bytes = await fetchChunks(plan, offered, { ...from, blobs, onChunk })
      await messages.close()
      return await finish(offered, plan, bytes)
    } catch (error) {
      messages.abort(error as Error)
      throw error
    }
  }

  /** Manifest and chunk hashes as an attempt before has left them; null unless they still hold. */
  async function keptPlan(offered: OfferedModel): Promise<HeaderPlan | null> {
    const manifest = (await tables.headers.get(toHex(offered.manifestHash)))?.manifest
    const root = manifest?.files[0]?.chunkRoot
    const chunkHashes = root && (await blobs.get(toHex(root)))
    if (manifest === undefined || !chunkHashes) return null
    try {
      return planOf(offered, manifest, chunkHashes)
    } catch {
      return null
    }
  }

  async function keepPlan(
    { modelId }: OfferedModel,
    { manifest, file, chunkHashes }: HeaderPlan,
  ): Promise<void> {
    // The list's own hash is the chunk root: it is its name.
    await blobs.put(toHex(file.chunkRoot), chunkHashes)
    const row = { modelId: toHex(modelId), manifest, gguf: null }
    await tables.headers.update(toHex(manifestHash(manifest)), (old) => old ?? row)
  }

  /** Makes the GGUF that an engine loads; then the chunks are not needed any more. */
  async function finish(
    { manifestHash: hash }: OfferedModel,
    plan: HeaderPlan,
    bytes: Uint8Array,
  ): Promise<string> {
    const { gguf } = tensorlessGguf(bytes, plan.file)
    const name = toHex(sha256(gguf))
    await blobs.put(name, gguf)
    await tables.headers.update(toHex(hash), (old) => old && { ...old, gguf: name })
    const spent = Array.from({ length: plan.chunks }, (_, index) => hashOf(plan, index))
    for (const blob of [...spent, plan.file.chunkRoot]) await blobs.remove(toHex(blob))
    return name
  }

  return {
    take,
    [Symbol.asyncDispose]: async () => {
      for (const loading of loaded.values()) {
        const words = await loading.catch(() => undefined)
        await words?.model[Symbol.asyncDispose]()
      }
      loaded.clear()
    },
  }
}
