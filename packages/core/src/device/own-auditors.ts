import { sha256 } from '@noble/hashes/sha2.js'
import { withinTime } from '../abort.ts'
import type { Replay } from '../audit/audit.ts'
import { equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { peerName } from '../identity/peer-name.ts'
import type { Evidence } from '../lending/evidence.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { AUDIT_PROTOCOL } from '../mesh/protocols.ts'
import {
  type AuditRequest,
  decodeAuditReply,
  encodeAuditRequest,
  MAX_AUDIT_REPLY_BYTES,
} from '../wire/audit-messages.ts'
import { exchange } from './exchange.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer, PeerService } from './peers.ts'

/** A replay that another device of this owner made. */
export interface OwnReplay {
  replay: Replay
  /** Of the model that it was made on. */
  manifestHash: Uint8Array
  /** Device key of the auditor, hex. */
  auditor: string
}

/** Has answers replayed by other devices of the same owner that hold the model. */
export interface OwnAuditors {
  /** @returns the first replay that one of them makes, or a sentence that says why there is none */
  replay(
    evidence: Evidence,
    init: { signal?: AbortSignal | undefined },
  ): Promise<OwnReplay | string>
}

export function createOwnAuditors(parts: Parts, { peers }: { peers: PeerService }): OwnAuditors {
  const { identity, mesh, egress, deadlines, log } = parts

  return {
    replay: async (evidence, init) => {
      if (identity === null || mesh === null)
        return 'no device of yours can be asked without a network'
      let why = 'no device of yours that holds it is known or reachable'
      for (const known of await peers.offers(init)) {
        if (!isAuditor(known, evidence)) continue
        try {
          return await askOne(known, evidence, { ...init, identity, mesh })
        } catch (error) {
          init.signal?.throwIfAborted()
          const message = error instanceof Error ? error.message : String(error)
          log('audits.unanswered', { auditor: toHex(known.lender), error: message })
          why = `your device ${peerName(known.lender)} could not audit it: ${message}`
        }
      }
      return why
    },
  }

  async function askOne(
    { lender: device, address }: KnownOffer,
    evidence: Evidence,
    init: { signal?: AbortSignal | undefined; identity: Identity; mesh: Mesh },
  ): Promise<OwnReplay> {
    const request = requestOf(evidence, init.identity)
    const data = encodeAuditRequest(request)
    // It holds the prompt: on disk before the first byte leaves.
    await egress.append({
      digest: toHex(sha256(data)),
      sizeBytes: data.length,
      to: toHex(device),
      scope: 'own',
      why: `audit of ${toHex(request.open.reqId)} by another device of yours`,
      priceUnits: '0',
    })
    const signal = withinTime(init.signal, deadlines.totalMs)
    // The offer's certificate is for this key: the connection must prove it.
    const to = { address, device, protocol: AUDIT_PROTOCOL }
    const limits = { maxBytes: MAX_AUDIT_REPLY_BYTES, signal }
    const answer = await exchange(init.mesh, to, data, limits)
    return readReply(answer, request.ids.length, device)
  }
}

/** Whether this is another device of ours with the model. The lender itself is no auditor of its answer. */
function isAuditor({ rung, lender, offer }: KnownOffer, evidence: Evidence): boolean {
  const { modelId } = evidence.terms.open
  const holdsIt = offer.models.some((model) => equal(model.modelId, modelId))
  return rung === 'own' && holdsIt && !equal(lender, evidence.lender)
}

/** What an auditor gets: all that is signed, and nothing that opens a log-probability. */
function requestOf(
  { lender, terms, n, ids, lpCommits, signed }: Evidence,
  { certificate }: Identity,
): AuditRequest {
  if (signed === null) throw new LendingError('protocol', { what: 'nothing is signed' })
  const { open, commit, request } = terms
  return {
    certificate,
    lender,
    open,
    commit,
    request: { ...request, voucher: null },
    n,
    ids: ids.slice(0, signed.count),
    lpCommits: lpCommits.slice(0, signed.count),
    signed,
  }
}

function readReply(data: Uint8Array, tokens: number, device: Uint8Array): OwnReplay {
  const reply = decodeAuditReply(data)
  if (reply.kind === 'refuse') throw new LendingError('engine', { what: reply.why })
  if (reply.positions.length !== tokens) {
    throw new LendingError('protocol', { what: 'it replayed another number of tokens' })
  }
  const positions = reply.positions.map((one) => ({ ...one, isOut: one.margin === Infinity }))
  const { manifestHash, seconds, profile } = reply
  return {
    replay: { positions, seconds, auditor: profile },
    manifestHash,
    auditor: toHex(device),
  }
}
