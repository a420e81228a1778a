import { withinTime } from '../abort.ts'
import { replayEvidence } from '../audit/replay.ts'
import { equal, toHex } from '../bytes.ts'
import { FreeholdError, LendingError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { isCertified } from '../identity/is-certified.ts'
import { plainText } from '../lending/duplex.ts'
import { checkEvidence, type Evidence } from '../lending/evidence.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import {
  type AuditReply,
  type AuditRequest,
  decodeAuditRequest,
  encodeAuditReply,
} from '../wire/audit-messages.ts'
import type { Certificate } from '../wire/certificate.ts'
import { manifestHash } from '../wire/manifest.ts'
import type { LentModels } from './lent-models.ts'
import type { PairBook } from './pair-book.ts'
import type { Parts } from './parts.ts'
import { createPlaces } from './places.ts'

/** Replays at once, since they share the engine with the answers that are lent; others wait. */
export const AUDITS = { running: 2, waiting: 16, waitMs: 10_000 }

/** Replays answers for other devices of this device's owner, and for nobody else. */
export interface AuditDesk {
  /** Answers the one request of a stream. */
  serve(messages: MessageStream, peer: Uint8Array, signal: AbortSignal): Promise<void>
}

export interface AuditDeskComponents extends Pick<Parts, 'clock' | 'deadlines' | 'log'> {
  pairs: Pick<PairBook, 'isRemoved'>
  identity: Identity
  models: Pick<LentModels, 'take'>
}

export function createAuditDesk(components: AuditDeskComponents): AuditDesk {
  const { clock, deadlines, log, models } = components
  const places = createPlaces(AUDITS, { clock })

  async function replay(request: AuditRequest, signal: AbortSignal): Promise<AuditReply> {
    const evidence = evidenceOf(request)
    // Nothing that the asker says counts: what the lender signed does.
    const problem = await checkEvidence(evidence)
    if (problem !== null) return { kind: 'refuse', why: `this is no evidence: ${problem}` }
    const startedMs = clock.now()
    const { model, file } = await models.take(request.open.modelId)
    const { contextTokens, vocabSize, profile } = model.info
    const { promptIds } = request.request
    if (promptIds.length === 0) return { kind: 'refuse', why: 'the prompt is empty' }
    if (promptIds.length + evidence.ids.length > contextTokens) {
      return {
        kind: 'refuse',
        why: `it is longer than the ${contextTokens} tokens of context here`,
      }
    }
    if ([...promptIds, ...evidence.ids].some((id) => id >= vocabSize)) {
      return { kind: 'refuse', why: 'a token id is outside the vocabulary' }
    }
    const replayed = await replayEvidence(model, evidence, { signal })
    return {
      kind: 'replayed',
      manifestHash: manifestHash(file.manifest),
      profile,
      seconds: (clock.now() - startedMs) / 1_000,
      positions: replayed.map(({ margin, gap, lpMilli }) => ({ margin, gap, lpMilli })),
    }
  }

  async function answer(
    request: AuditRequest,
    peer: Uint8Array,
    signal: AbortSignal,
  ): Promise<AuditReply> {
    let release = () => {}
    try {
      await requireOwn(request.certificate, peer, components)
      release = await places.take(toHex(peer))
      return await replay(request, signal)
    } catch (error) {
      log('audits.refused', { error: String(error) })
      const why = error instanceof FreeholdError ? error.what : 'it failed here'
      return { kind: 'refuse', why: plainText(why) }
    } finally {
      release()
    }
  }

  return {
    serve: async (messages, peer, signal) => {
      const data = await messages.read({ signal: AbortSignal.timeout(deadlines.handshakeMs) })
      if (data === null) return
      const either = withinTime(signal, deadlines.totalMs)
      const reply = await answer(decodeAuditRequest(data), peer, either)
      await messages.write(encodeAuditReply(reply), { signal: either })
      await messages.close()
    },
  }
}

/** @throws LendingError when the asker is no device of our owner */
async function requireOwn(
  certificate: Certificate,
  peer: Uint8Array,
  { identity: { owner }, pairs }: Pick<AuditDeskComponents, 'identity' | 'pairs'>,
): Promise<void> {
  const isRemoved = await pairs.isRemoved(toHex(peer))
  const isOwn = equal(certificate.device, peer) && equal(certificate.owner, owner) && !isRemoved
  if (isOwn && (await isCertified(certificate))) return
  throw new LendingError('standing', { what: 'this device audits for its owner alone' })
}

function evidenceOf({ lender, open, commit, request, n, ids, lpCommits, signed }: AuditRequest) {
  const terms = { open, commit, request }
  return { lender, terms, n, ids, lpCommits, signed, receipt: null } satisfies Evidence
}
