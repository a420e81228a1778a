import { toHex } from '../bytes.ts'
import { IdentityError, LendingError, ModelError, UsageError } from '../errors.ts'
import type { Energy, EnergyMeter } from '../lending/energy.ts'
import type { LendGate } from '../lending/lend-gate.ts'
import { lendAnswer } from '../lending/lender.ts'
import { framesOver, messagesOver } from '../mesh/frames-over-stream.ts'
import {
  ANSWER_PROTOCOL,
  AUDIT_PROTOCOL,
  CHANNEL_PROTOCOL,
  HEADER_PROTOCOL,
  OFFER_PROTOCOL,
  OWN_PROTOCOL,
  RELAY_PROTOCOL,
  SET_OFF_PROTOCOL,
} from '../mesh/protocols.ts'
import type { Rung } from '../routing/route.ts'
import { MAX_AUDIT_REQUEST_BYTES } from '../wire/audit-messages.ts'
import { MAX_HEADER_REQUEST_BYTES } from '../wire/header-messages.ts'
import { manifestHash } from '../wire/manifest.ts'
import { encodeOffer, type Offer, type OfferedPayment } from '../wire/offer.ts'
import { decodeOwnRequest, MAX_OWN_BYTES } from '../wire/own-messages.ts'
import { MAX_RELAY_BYTES } from '../wire/relay-messages.ts'
import { MAX_SET_OFF_BYTES } from '../wire/set-off-messages.ts'
import { createAdmission } from './admission.ts'
import { createAudience } from './audience.ts'
import { createAuditDesk } from './audit-desk.ts'
import { answerChannelStream, type ChannelService } from './channels.ts'
import type { DiscoveringService } from './discovering.ts'
import { FORGIVEN_EXPOSURES } from './forgiveness.ts'
import { createHeaderDesk } from './header-desk.ts'
import { LEFT_OVER_GRACE_MS } from './left-overs.ts'
import { createLentBook } from './lent-book.ts'
import { createLentModels } from './lent-models.ts'
import { createOfferDesk } from './offer-desk.ts'
import { describeModel } from './offers.ts'
import type { ModelFile, Parts } from './parts.ts'
import { createRateLimit } from './rate-limit.ts'
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
  /** Who may borrow: the owner's devices, friends' too, or everybody. @default 'market' */
  to?: Rung | undefined
  /** Whether friends pay nothing. The owner's own devices never do. @default false */
  friendsFree?: boolean | undefined
  contextTokens?: number | undefined
  /** Answers at once, and answers that may wait for their turn. */
  parallel?: number | undefined
  maxQueue?: number | undefined
  offerLifeMs?: number | undefined
  /** Most unsettled token units on one channel. */
  maxUnsettled?: bigint | undefined
  /** Of deposits not deep in the chain yet so many units count, all channels together. @default 1,000,000 */
  maxYoung?: bigint | undefined
  /** How many exposures (a window and a prompt) are forgiven to one borrower, fading over a day. @default 4 */
  forgivenExposures?: number | undefined
  /** Called when an answer has ended. @param energy null where the machine does not tell */
  onAnswer?: ((answer: LentRecord, energy: Energy | null) => void) | undefined
  /** Says when it may lend. @default always */
  gate?: Pick<LendGate, 'why' | 'signal'> | undefined
  /** Measures what answers take, for the owner's eyes. @default nothing is measured */
  energy?: EnergyMeter | undefined
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

/** An offer is signed once for many, and costs a write. */
export const OFFERS_ASKED = { windowMs: 60_000, perDevice: 120, inAll: 6_000 }
/** Each may ask the chain. */
export const CHANNEL_REQUESTS = { windowMs: 60_000, perDevice: 60, inAll: 1_200 }

export const LENDING_DEFAULTS = {
  parallel: 4,
  maxQueue: 8,
  offerLifeMs: 5 * 60_000,
  contextTokens: 2_048,
  maxUnsettled: 1_000_000_000n,
  maxYoung: 1_000_000n,
  forgivenExposures: FORGIVEN_EXPOSURES,
}
/** What a lender asks of who pays, but for its prices. */
export const TERMS_DEFAULTS = {
  leastExitDelaySeconds: 172_800,
  windowTokens: 64,
  promptCapTokens: 1_024,
  holdBackMs: 60_000,
}
export const MAX_REQUEST_BYTES = 4_096

export function createLendingService(
  parts: Parts,
  {
    channels,
    setOff,
    discovering,
  }: { channels: ChannelService; setOff: SetOffService; discovering: DiscoveringService },
): LendingService & AsyncDisposable {
  /** What is lent now, each start by itself. */
  const running = new Set<Lending>()
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
    const audience = createAudience(limits, { ...parts, identity })
    const admit = createAdmission(limits, parts, { book, desk, models, audience })
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

    const offerRate = createRateLimit(OFFERS_ASKED, clock)
    const channelRate = createRateLimit(CHANNEL_REQUESTS, clock)
    /** Who asks meanwhile hears that nothing is lent now, and goes elsewhere. */
    const isResting = () => init.gate !== undefined && init.gate.why !== null
    await mesh.handle(OFFER_PROTOCOL, async (stream, peer) => {
      // Who has stopped hangs up: an offer would be a promise that nobody keeps.
      if (stop.signal.aborted) return
      offerRate.take(toHex(peer), 1)
      const messages = messagesOver(stream, MAX_REQUEST_BYTES)
      const terms = isResting() ? null : await audience.termsFor(toHex(peer)).catch(() => null)
      // A device of its owner may not be known as one yet: what it is told, it may ask again by its certificate.
      if (terms !== null) await messages.write(encodeOffer(await desk.current(terms)))
      await messages.close()
    })
    await mesh.handle(OWN_PROTOCOL, async (stream, peer) => {
      offerRate.take(toHex(peer), 1)
      const messages = messagesOver(stream, MAX_OWN_BYTES)
      const data = await messages.read({ signal: AbortSignal.timeout(handshakeMs) })
      const isOwn = data && (await audience.introduce(decodeOwnRequest(data).certificate, peer))
      if (isOwn && !isResting())
        await messages.write(encodeOffer(await desk.current({ isFree: true })))
      await messages.close()
    })
    await mesh.handle(HEADER_PROTOCOL, (stream, peer) =>
      headers.serve(messagesOver(stream, MAX_HEADER_REQUEST_BYTES), peer),
    )
    await mesh.handle(AUDIT_PROTOCOL, (stream, peer) =>
      auditing.serve(messagesOver(stream, MAX_AUDIT_REQUEST_BYTES), peer, stop.signal),
    )
    await mesh.handle(CHANNEL_PROTOCOL, async (stream, peer) => {
      channelRate.take(toHex(peer), 1)
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
      const yields = init.gate?.signal
      let endEnergy: Awaited<ReturnType<EnergyMeter['begin']>> = async () => null
      const answer = await lendAnswer(
        framesOver(stream),
        { deadlines, signal: stop.signal, yields },
        {
          clock,
          random,
          log,
          sign: (hash) => identity.sign(hash),
          ping: ({ modelId }) => models.ping(modelId),
          admit: async (open) => {
            begun.modelId = toHex(open.modelId)
            if (init.gate && init.gate.why !== null) throw busyWithItself()
            const admission = await admit(open, peer)
            return {
              ...admission,
              begin: async () => {
                if (init.gate && init.gate.why !== null) throw busyWithItself()
                await admission.begin?.()
                begun.startedAtMs = clock.now()
                const ended = (await init.energy?.begin()) ?? endEnergy
                let energy: ReturnType<typeof ended> | null = null
                endEnergy = () => (energy ??= ended())
              },
              release: () => {
                admission.release()
                endEnergy().catch(() => {})
              },
            }
          },
        },
      )
      const record = await book.end(answer, begun)
      const energy = await endEnergy()
      if (record !== null) init.onAnswer?.(record, energy)
    })
    const announced = discovering.announce({
      models: offered.map(({ modelId }) => modelId),
      offer: () => desk.current(),
      lifeMs,
    })
    const lending: Lending = {
      addresses,
      offer: () => desk.current(),
      [Symbol.asyncDispose]: async () => {
        running.delete(lending)
        cancelSweep()
        await announced[Symbol.asyncDispose]()
        stop.abort(new LendingError('cancelled', { what: 'the lender stops' }))
      },
    }
    running.add(lending)
    return lending
  }

  return {
    start,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...running].map((lending) => lending[Symbol.asyncDispose]()))
    },
  }
}

function busyWithItself(): LendingError {
  return new LendingError('owner', { what: 'the lender needs its machine for itself' })
}

function withDefaults(init: LendInit) {
  return {
    to: init.to ?? 'market',
    friendsFree: init.friendsFree ?? false,
    parallel: init.parallel ?? LENDING_DEFAULTS.parallel,
    maxQueue: init.maxQueue ?? LENDING_DEFAULTS.maxQueue,
    offerLifeMs: init.offerLifeMs ?? LENDING_DEFAULTS.offerLifeMs,
    contextTokens: init.contextTokens ?? LENDING_DEFAULTS.contextTokens,
    maxUnsettled: init.maxUnsettled ?? LENDING_DEFAULTS.maxUnsettled,
    maxYoung: init.maxYoung ?? LENDING_DEFAULTS.maxYoung,
    forgivenExposures: init.forgivenExposures ?? LENDING_DEFAULTS.forgivenExposures,
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
