import { auditAnswer } from '@freehold/core/audit/audit'
import { CALIBRATION } from '@freehold/core/audit/calibration-tables'
import { addToPool, EMPTY_POOL } from '@freehold/core/audit/verdict'
import { toHex } from '@freehold/core/bytes'
import type { ModelSource } from '@freehold/core/device/parts'
import type { Engine } from '@freehold/core/engine/engine'
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import type { Evidence } from '@freehold/core/lending/evidence'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { AUDIT_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import {
  type AuditReply,
  type AuditRequest,
  decodeAuditReply,
  encodeAuditRequest,
  MAX_AUDIT_REPLY_BYTES,
} from '@freehold/core/wire/audit-messages'
import { tcp } from '@libp2p/tcp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownDiceEngine } from '../demo/cheats.ts'
import { seededDice } from '../demo/dice.ts'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { ACORN, createBrokenModels } from '../engine/test-models.ts'
import { readModelFile } from '../models/read-model-file.ts'
import { createBareModels } from '../models/store.fixture.ts'
import { befriend, createTown, MODEL, question, type Town, termsOn } from './town.fixture.ts'

type Lender = Awaited<ReturnType<Town['lender']>>

let town: Town
let lender: Lender
beforeAll(async () => {
  town = await createTown()
  lender = await town.lender()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

const bare = { models: createBareModels({}) }

/** A device without models, and another of the same owner that lends acorn, and so audits. */
async function twoOfOneOwner(from: Lender = lender) {
  const borrower = await town.inhabitant(bare)
  const { phrase } = borrower
  const auditor = await town.lender({
    payment: null,
    device: { phrase, deviceIndex: 1, chain: undefined },
  })
  await borrower.device.peers.ask(auditor.lending.addresses()[0]!)
  const { known } = await befriend(borrower.device, from.lending)
  const ask = async (changes: Parameters<typeof question>[0] = {}) => {
    const init = question({ lender: toHex(known.lender), maxTokens: 60, ...changes })
    const completion = await borrower.device.complete(init)
    expect(completion.error).toBeNull()
    const report = await completion.settled
    await borrower.device.borrowing.idle()
    const id = completion.record!.id
    const record = (await borrower.device.tables.answers.get(id))!
    return { report: report!, record, id }
  }
  return { borrower, auditor, known, ask }
}

const keyOf = ({ device }: Pick<Lender, 'device'>) => toHex(device.identity!.device)

describe('an audit by another device of the same owner', () => {
  it('default: gives the verdict and the numbers of an audit here', async () => {
    const { borrower, auditor, known, ask } = await twoOfOneOwner()
    const { report, record } = await ask()
    expect(report.auditor).toBe(keyOf(auditor))
    expect(record).toMatchObject({ auditor: keyOf(auditor), payment: 'paid' })
    // The same engine, the same batch: the same numbers.
    const {
      pool,
      seconds: _,
      ...own
    } = await auditAnswer(record.evidence!, record.evidence!.receipt!.body.profile, {
      model: await auditor.device.model(MODEL),
      tables: CALIBRATION,
      now: () => 0,
    })
    expect(report.audit).toMatchObject(own)
    expect(own.statistics).toMatchObject({
      positions: record.tokens,
      lpMeanDelta: expect.any(Number),
    })
    expect(Object.keys(pool.llr)).not.toEqual([])
    const standing = await borrower.device.tables.standing.get(toHex(known.lender))
    expect(standing?.pools[record.modelId]).toEqual(addToPool(EMPTY_POOL, pool))

    const departures = await borrower.device.egress.entries()
    expect(departures.map(({ to, scope, why }) => ({ to, scope, why }))).toEqual([
      expect.objectContaining({ to: toHex(known.lender), scope: 'market' }),
      expect.objectContaining({ to: toHex(known.lender), scope: 'market' }),
      {
        to: keyOf(auditor),
        scope: 'own',
        why: `audit of ${record.id} by another device of yours`,
      },
    ])
    expect(await borrower.device.egress.verify()).toBeNull()
  })

  it('behaviour: the verdict is pending while it is away, and can be had later', async () => {
    const { borrower, auditor, known, ask } = await twoOfOneOwner()
    await auditor.device[Symbol.asyncDispose]()
    const { report, record, id } = await ask()
    expect(report).toMatchObject({
      pooled: 'pending',
      auditor: null,
      audit: { verdict: 'pending', why: expect.stringMatching(/Acorn is not here, and .*device/) },
    })
    expect(record.payment).toBe('paid')
    const poolOf = async () =>
      (await borrower.device.tables.standing.get(toHex(known.lender)))?.pools[record.modelId]
    expect(await poolOf()).toBeUndefined()

    const back = await town.lender({
      payment: null,
      device: { phrase: borrower.phrase, deviceIndex: 1, chain: undefined },
    })
    await borrower.device.peers.ask(back.lending.addresses()[0]!)
    const late = await borrower.device.audits.audit(id)
    expect(late).toMatchObject({
      auditor: keyOf(back),
      audit: { statistics: { positions: record.tokens } },
    })
    expect(await poolOf()).toMatchObject({ answers: 1, tokens: record.tokens })
    // Once more adds nothing, and losing the auditor again takes nothing away.
    await borrower.device.audits.audit(id)
    await back.device[Symbol.asyncDispose]()
    await borrower.device.audits.audit(id)
    expect(await poolOf()).toMatchObject({ answers: 1 })
    expect((await borrower.device.tables.answers.get(id))?.auditor).toBe(keyOf(back))
  })

  it('behaviour: a cheat is convicted and not paid', async () => {
    const cheat = await town.lender({
      device: { engine: ownDiceEngine(createLlamaEngine(), seededDice('7')) },
    })
    const { borrower, auditor, ask } = await twoOfOneOwner(cheat)
    const { report, record } = await ask({ maxTokens: 120 })
    expect(report).toMatchObject({ pooled: 'fail', auditor: keyOf(auditor) })
    expect(record.payment).toBe('withheld')
    const again = borrower.device.complete(question({ lender: keyOf(cheat) }))
    await expect(again).rejects.toMatchObject({ reason: 'standing' })
  })

  it('behaviour: a lender whose manifest is false is convicted, however truly it answered', async () => {
    await using files = await createBrokenModels()
    const path = await files.make('false-template', (bytes) => {
      bytes.write('m.rule', bytes.indexOf('m.role'))
      return bytes
    })
    const [real, other] = await Promise.all([readModelFile(ACORN), readModelFile(path)])
    const { sha256 } = real.manifest.files[0]!
    const manifest = { files: [{ ...other.manifest.files[0]!, sha256 }] }
    const models: ModelSource = {
      ...createBareModels(),
      find: async () => ({ ...other, manifest }),
    }
    const honest = createLlamaEngine()
    const engine: Engine = {
      load: async (_, init) => {
        const model = await honest.load(ACORN, init)
        const chatTemplate = model.info.chatTemplate.replace('m.role', 'm.rule')
        return { ...model, info: { ...model.info, chatTemplate } }
      },
      [Symbol.asyncDispose]: () => honest[Symbol.asyncDispose](),
    }
    const liar = await town.lender({ device: { models, engine } })
    const { auditor, ask } = await twoOfOneOwner(liar)
    const { report, record } = await ask()
    expect(report).toMatchObject({
      auditor: keyOf(auditor),
      pooled: 'fail',
      audit: { verdict: 'fail', why: expect.stringMatching(/manifest/) },
    })
    expect(report.audit.statistics.meanClippedMargin).toBeLessThan(0.01)
    expect(record.payment).toBe('withheld')
  })

  it('behaviour: the lender is no auditor of its own answers', async () => {
    const borrower = await town.inhabitant(bare)
    const own = await town.lender({
      payment: termsOn(town.chain.settings),
      device: { phrase: borrower.phrase, deviceIndex: 1 },
    })
    await borrower.device.peers.ask(own.lending.addresses()[0] ?? '')
    const completion = await borrower.device.complete(question({ scope: 'own' }))
    expect(await completion.settled).toMatchObject({ pooled: 'pending', auditor: null })
  })
})

describe('a device that asks for an audit', () => {
  let evidence: Evidence
  let phrase: string
  let auditor: Lender
  beforeAll(async () => {
    const made = await twoOfOneOwner()
    ;({ auditor } = made)
    ;({ phrase } = made.borrower)
    evidence = (await made.ask()).record.evidence!
  })

  // One for each device: few connections a second are taken from one host.
  const meshes = new Map<string, Promise<Mesh>>()
  afterAll(async () => {
    for (const mesh of meshes.values()) await (await mesh)[Symbol.asyncDispose]()
  })

  function meshOf(identity: Identity): Promise<Mesh> {
    const key = toHex(identity.device)
    const init = { identity, listen: [] }
    const mesh = meshes.get(key) ?? createMesh(init, { transports: [tcp()], log: () => {} })
    meshes.set(key, mesh)
    return mesh
  }

  /** Asks as device `index` of an owner, with a request of which anything may be changed. */
  async function ask(
    owner: string,
    change: (request: AuditRequest) => AuditRequest = (request) => request,
    index = 2,
  ): Promise<AuditReply> {
    const identity = await deriveIdentity(owner, index)
    const mesh = await meshOf(identity)
    const { stream } = await mesh.open(auditor.lending.addresses()[0]!, AUDIT_PROTOCOL)
    const messages = messagesOver(stream, MAX_AUDIT_REPLY_BYTES)
    const { lender: from, terms, n, ids, lpCommits, signed } = evidence
    const request = { lender: from, ...terms, n, ids, lpCommits, signed: signed! }
    const { certificate } = identity
    await messages.write(encodeAuditRequest(change({ certificate, ...request })))
    return decodeAuditReply((await messages.read())!)
  }

  it('default: and belongs to the owner is answered', async () => {
    const reply = await ask(phrase)
    expect(reply).toMatchObject({ kind: 'replayed', profile: { backend: 'cpu' } })
    expect(reply.kind === 'replayed' && reply.positions.length).toBe(evidence.ids.length)
  })

  it('behaviour: and is a stranger is refused', async () => {
    const stranger = createPhrase(systemRandom)
    const refusal = { kind: 'refuse', why: expect.stringMatching(/for its owner alone/) }
    expect(await ask(stranger)).toEqual(refusal)
    // Another device's certificate, the right owner's name on its own, and a signature that is none.
    const real = (await deriveIdentity(phrase, 1)).certificate
    expect(await ask(stranger, (asked) => ({ ...asked, certificate: real }))).toEqual(refusal)
    const { owner } = real
    const change = (asked: AuditRequest): AuditRequest => ({
      ...asked,
      certificate: { ...asked.certificate, owner },
    })
    expect(await ask(stranger, change)).toEqual(refusal)
    const wrong = ({ certificate, ...asked }: AuditRequest): AuditRequest => ({
      ...asked,
      certificate: { ...certificate, sig: certificate.sig.with(9, certificate.sig[9]! ^ 1) },
    })
    expect(await ask(phrase, wrong)).toEqual(refusal)
  })

  it.each<[string, RegExp, (request: AuditRequest) => AuditRequest]>([
    [
      'with another token',
      /running hash/,
      (asked) => ({ ...asked, ids: asked.ids.with(3, (asked.ids[3]! + 1) % 2_048) }),
    ],
    [
      'in another lender’s name',
      /not the lender’s/,
      (asked) => ({ ...asked, lender: new Uint8Array(32).fill(7) }),
    ],
    [
      'with another half of the seed',
      /commitment/,
      (asked) => ({ ...asked, n: new Uint8Array(32) }),
    ],
    [
      'with fewer tokens than were signed',
      /more tokens signed/,
      (asked) => ({ ...asked, ids: asked.ids.slice(1), lpCommits: asked.lpCommits.slice(1) }),
    ],
  ])('behaviour: for evidence %s is refused', async (_, why, change) => {
    expect(await ask(phrase, change)).toEqual({ kind: 'refuse', why: expect.stringMatching(why) })
  })
})
