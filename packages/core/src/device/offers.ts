import { recoverMessageAddress } from 'viem'
import { equal, from0x, to0x, toHex } from '../bytes.ts'
import type { Model } from '../engine/engine.ts'
import { LendingError } from '../errors.ts'
import { verifyEd25519 } from '../identity/ed25519.ts'
import type { Identity } from '../identity/identity.ts'
import { isCertified } from '../identity/is-certified.ts'
import { MAX_OFFER_MS } from '../wire/limits.ts'
import {
  type Offer,
  type OfferBody,
  type OfferedModel,
  type OfferedPayment,
  offerHash,
  payeeHash,
} from '../wire/offer.ts'
import { isModelId } from './model-id.ts'
import { templateHash } from './template-hash.ts'

/** Clocks of strangers differ: an offer may seem to come from this far in the future. */
const CLOCK_SKEW_MS = 60_000

/** Whether an offered model is the one that a person means: by its id in hex, else by its name. */
export function isMeant({ modelId, name }: OfferedModel, meant: string): boolean {
  const wanted = meant.toLowerCase()
  return isModelId(wanted) ? toHex(modelId) === wanted : name.toLowerCase() === wanted
}

/** What a device says of a model that it has loaded. */
export function describeModel(model: Model, manifest: Uint8Array): OfferedModel {
  const { modelId, name, contextTokens, vocabSize, profile, chatTemplate } = model.info
  return {
    modelId: from0x(modelId),
    manifestHash: manifest,
    templateHash: templateHash(chatTemplate),
    name: plainName(name),
    contextTokens,
    vocabSize,
    profile,
  }
}

/** A model's own name may be anything; in an offer it is short and has nothing to steer a terminal. */
function plainName(name: string): string {
  return Array.from(name.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, ''))
    .slice(0, 48)
    .join('')
}

/** Makes and signs an offer of this device. */
export async function makeOffer(
  identity: Identity,
  terms: {
    models: OfferedModel[]
    payment: Omit<OfferedPayment, 'payee' | 'payeeSig'> | null
    addresses: string[]
    nowMs: number
    lifeMs: number
  },
): Promise<Offer> {
  const payee = from0x(identity.wallet.address)
  const raw = to0x(payeeHash(identity.device, payee))
  const payment =
    terms.payment === null
      ? null
      : {
          ...terms.payment,
          payee,
          payeeSig: from0x(await identity.wallet.signMessage({ message: { raw } })),
        }
  const body: OfferBody = {
    certificate: identity.certificate,
    models: terms.models,
    payment,
    addresses: terms.addresses,
    issuedAtMs: terms.nowMs,
    expiresAtMs: terms.nowMs + Math.min(terms.lifeMs, MAX_OFFER_MS),
  }
  return { ...body, sig: await identity.sign(offerHash(body)) }
}

/**
 * Checks everything that an offer claims about its maker.
 * @param device key that the connection proved; the offer must be its own
 * @throws LendingError `protocol` or `expired-offer`
 */
export async function checkOffer(offer: Offer, device: Uint8Array, nowMs: number): Promise<void> {
  const fail = (why: string): never => {
    throw new LendingError('protocol', { what: 'the offer does not hold', why })
  }
  const { certificate, payment, issuedAtMs, expiresAtMs } = offer
  if (!equal(certificate.device, device)) fail('it is another device’s')
  if (!(await isCertified(certificate))) fail('the owner’s certificate is wrong')
  if (!(await verifyEd25519(offer.sig, offerHash(offer), device))) fail('its signature is wrong')
  if (expiresAtMs - issuedAtMs > MAX_OFFER_MS) fail('it lives too long')
  if (issuedAtMs > nowMs + CLOCK_SKEW_MS) fail('it comes from the future')
  if (payment !== null && !(await isPayeesOwn(device, payment))) {
    fail('the payee account did not agree to it')
  }
  if (expiresAtMs <= nowMs) {
    throw new LendingError('expired-offer', {
      what: `the offer of ${toHex(device)} is out of date`,
    })
  }
}

async function isPayeesOwn(device: Uint8Array, payment: OfferedPayment): Promise<boolean> {
  const raw = to0x(payeeHash(device, payment.payee))
  try {
    const signature = to0x(payment.payeeSig)
    return equal(
      from0x(await recoverMessageAddress({ message: { raw }, signature })),
      payment.payee,
    )
  } catch {
    return false
  }
}
