import { toHex } from '../bytes.ts'
import { IdentityError, LendingError, ModelError, UsageError } from '../errors.ts'
import { lendAnswer } from '../lending/lender.ts'
import { framesOver, messagesOver } from '../mesh/frames-over-stream.ts'
import {
  ANSWER_PROTOCOL,
  AUDIT_PROTOCOL,
  CHANNEL_PROTOCOL,
  HEADER_PROTOCOL,
  OFFER_PROTOCOL,
  RELAY_PROTOCOL,
  SET_OFF_PROTOCOL,
} from '../mesh/protocols.ts'
import { MAX_AUDIT_REQUEST_BYTES } from '../wire/audit-messages.ts'
import { MAX_HEADER_REQUEST_BYTES } from '../wire/header-messages.ts'
import { manifestHash } from '../wire/manifest.ts'
import { encodeOffer, type Offer, type OfferedPayment } from '../wire/offer.ts'
import { MAX_RELAY_BYTES } from '../wire/relay-messages.ts'
import { MAX_SET_OFF_BYTES } from '../wire/set-off-messages.ts'
import { createAdmission } from './admission.ts'
import { createAuditDesk } from './audit-desk.ts'
import { answerChannelStream, type ChannelService } from './channels.ts'
import { FORGIVEN_EXPOSURES } from './forgiveness.ts'
import { createHeaderDesk } from './header-desk.ts'
import { LEFT_OVER_GRACE_MS } from './left-overs.ts'
import { createLentBook } from './lent-book.ts'
import { createLentModels } from './lent-models.ts'
import { createOfferDesk } from './offer-desk.ts'
import { describeModel } from './offers.ts'
import type { ModelFile, Parts } from './parts.ts'
import type { LentRecord } from './records.ts'
import { createRelayDesk, type RelayDeskInit } from './relay-desk.ts'
import type { SetOffService } from './set-off.ts'

/** What a lender asks; the account that is paid is this device's own. */
export type LendTerms = Omit<OfferedPayment, 'payee' | 'payeeSig'>

export interface LendInit {
  /** Names of the models to lend. */
  models: readonly string[]
  /** null: free. */
  payment: LendTerms | null
  contextTokens?: number | undefined
  /** Answers at once, and answers that may wait for their turn. */
  parallel?: number | undefined
  maxQueue?: number | undefined
  offerLifeMs?: number | undefined
  /** Most unsettled token units on one channel. */
  maxUnsettled?: bigint | undefined
  /** Of a deposit that is not deep in the chain yet, so many token units count. @default 1,000,000 */
  maxYoung?: bigint | undefined
  /** How many exposures (a window and a prompt) are forgiven to one borrower, fading over a day. @default 4 */
  forgivenExposures?: number | undefined
  /** Called when an answer has ended. */
  onAnswer?: ((answer: LentRecord) => void) | undefined
  /** What submitting orders of others takes besides the offered fee. @default any gas is covered by it */
  relaying?: Partial<RelayDeskInit> | undefined
}

export interface Lending extends AsyncDisposable {
  addresses(): string[]
  /** The offer that a borrower would get now. */
  offer(): Promise<Offer>
}

export interface LendingService {
  /** Starts lending. @throws IdentityError without keys, ModelError when a model is not here */
  start(init: LendInit): Promise<Lending>
}

const DEFAULTS = {
  parallel: 4,
  maxQueue: 8,
  offerLifeMs: 5 * 60_000,
  contextTokens: 2_048,
  maxUnsettled: 1_000_000_000n,
  maxYoung: 1_000_000n,
  forgivenExposures: FORGIVEN_EXPOSURES,
}
const MAX_REQUEST_BYTES = 4_096

export function createLendingService(
  parts: Parts,
  { channels, setOff }: { channels: ChannelService; setOff: SetOffService },
): LendingService {
  const { mesh, identity, clock, random, log, deadlines, shelf } = parts

  async function start(init: LendInit): Promise<Lending> {
    if (mesh === null || identity === null) {
      throw new IdentityError({ what: 'lending needs keys and a network' })
    }
    if (init.payment !== null && init.payment.windowTokens < 1) {
      throw new UsageError({ what: 'a window of no tokens lets no answer begin' })
    }
    const limits = withDefaults(init)
    const { parallel: sequences, contextTokens, offerLifeMs: lifeMs } = limits
    const lent = await Promise.all(
      init.models.map(async (name) => {
        const { model, file } = await shelf.take(name, { contextTokens, sequences })
        requireOneFile(name, file)
        return { name, file, offered: describeModel(model, manifestHash(file.manifest)) }
      }),
    )
    const addresses = () => mesh.addresses()
    const offered = lent.map((model) => model.offered)
    const models = createLentModels({ lent, contextTokens, sequences }, { shelf })
    const desk = createOfferDesk(
      { models: offered, payment: init.payment, lifeMs },
      { identity, clock, addresses },
    )
    const book = createLentBook(parts)
    const admit = createAdmission(limits, parts, { book, desk, models })
    const headers = createHeaderDesk(models, parts)
    const auditing = createAuditDesk({ ...parts, identity, models })
    const relays = createRelayDesk({ unitsPerCoin: null, ...init.relaying }, parts)
    const stop = new AbortController()
    const { handshakeMs, totalMs } = deadlines
    // Now, and again and again: besides what an earlier process left, a disk that was full leaves some.
    await book.endLeftOvers()
    let cancelSweep = () => {}
    const sweepLater = () => {
      cancelSweep = clock.after(handshakeMs + totalMs + LEFT_OVER_GRACE_MS + 1, () => {
        book.endLeftOvers().catch((error) => log('lend.left-overs', { error: String(error) }))
        sweepLater()
      })
    }
    sweepLater()

    await mesh.handle(OFFER_PROTOCOL, async (stream) => {
      const messages = messagesOver(stream, MAX_REQUEST_BYTES)
      await messages.write(encodeOffer(await desk.current()))
      await messages.close()
    })
    await mesh.handle(HEADER_PROTOCOL, (stream, peer) =>
      headers.serve(messagesOver(stream, MAX_HEADER_REQUEST_BYTES), peer),
    )
    await mesh.handle(AUDIT_PROTOCOL, (stream, peer) =>
      auditing.serve(messagesOver(stream, MAX_AUDIT_REQUEST_BYTES), peer, stop.signal),
    )
    await mesh.handle(CHANNEL_PROTOCOL, async (stream, peer) => {
      const { payment } = await desk.current()
      await answerChannelStream(messagesOver(stream, MAX_REQUEST_BYTES), (request) =>
        channels.serve(request, peer, payment),
      )
    })
    await mesh.handle(SET_OFF_PROTOCOL, (stream, peer) =>
      setOff.serve(messagesOver(stream, MAX_SET_OFF_BYTES), peer),
    )
    await mesh.handle(RELAY_PROTOCOL, async (stream, peer) => {
      const { payment } = await desk.current()
      await relays.serve(messagesOver(stream, MAX_RELAY_BYTES), peer, payment)
    })
    await mesh.handle(ANSWER_PROTOCOL, async (stream, peer) => {
      const begun = { borrower: toHex(peer), modelId: '', startedAtMs: clock.now() }
      const answer = await lendAnswer(
        framesOver(stream),
        { deadlines, signal: stop.signal },
        {
          clock,
          random,
          log,
          sign: (hash) => identity.sign(hash),
          ping: ({ modelId }) => models.ping(modelId),
          admit: (open) => {
            begun.modelId = toHex(open.modelId)
            return admit(open, peer)
          },
        },
      )
      const record = await book.end(answer, begun)
      if (record !== null) init.onAnswer?.(record)
    })
    return {
      addresses,
      offer: () => desk.current(),
      [Symbol.asyncDispose]: async () => {
        cancelSweep()
        stop.abort(new LendingError('cancelled', { what: 'the lender stops' }))
      },
    }
  }

  return { start }
}

function withDefaults(init: LendInit) {
  return {
    parallel: init.parallel ?? DEFAULTS.parallel,
    maxQueue: init.maxQueue ?? DEFAULTS.maxQueue,
    offerLifeMs: init.offerLifeMs ?? DEFAULTS.offerLifeMs,
    contextTokens: init.contextTokens ?? DEFAULTS.contextTokens,
    maxUnsettled: init.maxUnsettled ?? DEFAULTS.maxUnsettled,
    maxYoung: init.maxYoung ?? DEFAULTS.maxYoung,
    forgivenExposures: init.forgivenExposures ?? DEFAULTS.forgivenExposures,
  }
}

/** A borrower fetches the header of one file, and knows the model by that file's hash. */
function requireOneFile(name: string, { manifest: { files } }: ModelFile): void {
  if (files.length < 2) return
  throw new ModelError({
    what: `${name} cannot be lent`,
    why: `it has ${files.length} files, and models of one file alone are lent`,
    next: 'Merge them into one (llama-gguf-split --merge), and lend that',
  })
}
