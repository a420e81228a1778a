import { toHex } from '@freehold/core/bytes'
import { UNLIMITED } from '@freehold/core/clearing/budget'
import type { Device } from '@freehold/core/device/device'
import type { ChatMessage } from '@freehold/core/device/text'
import { BlockedError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import { isKind, type Kind } from '@freehold/core/routing/detect/finding'
import { passageOf } from '@freehold/core/routing/policy'
import { redact } from '@freehold/core/routing/redact'
import { isWithin, type Rung } from '@freehold/core/routing/route'
import type { BorrowInit } from '../answering/answerer.ts'

/** As `complete` asks where nobody says how long. */
const MOST_TOKENS = 512

/** Somebody who may be asked. */
export interface LikelyLender {
  /** Device key, hex. */
  device: string
  peer: string
  rung: Rung
  /** Most that it may cost, token units. */
  atMost: bigint
  isPaid: boolean
}

/** What would leave, and to whom. Found out without asking anybody for an answer. */
export interface Departing {
  /** As they would leave: with placeholders where something may not. */
  messages: readonly ChatMessage[]
  redacted: Readonly<Record<string, number>>
  /** What keeps it here; null: nothing does. Its kinds may be let through by name. */
  blocked: { why: string; kinds: readonly Kind[] } | null
  /** The best first. */
  lenders: readonly LikelyLender[]
  /** Why others are not asked, a sentence each. */
  barred: readonly string[]
  /** Models that somebody within the scope offers. */
  models: readonly { modelId: string; name: string }[]
}

export async function lookAtDeparture(
  device: Device,
  messages: readonly ChatMessage[],
  { scope, model, send, ceilings }: Omit<BorrowInit, 'lender'>,
): Promise<Departing> {
  const texts = messages.map(({ content }) => content)
  const offers = await device.peers.offers()
  const models = new Map<string, string>()
  for (const { offer, rung } of offers) {
    if (!isWithin(scope, rung)) continue
    for (const { modelId, name } of offer.models) models.set(toHex(modelId), name)
  }
  const { ranked, barred } = await device.lenders.rank({
    ...{ model, scope, maxTokens: MOST_TOKENS, ceilings: ceilings ?? UNLIMITED },
    promptTokens: texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0),
  })
  const found = {
    lenders: ranked.map(({ offer: { known, rung, costUnits } }) => ({
      ...{ device: toHex(known.lender), peer: peerName(known.lender), rung },
      ...{ atMost: BigInt(Math.ceil(costUnits)), isPaid: known.offer.payment !== null },
    })),
    barred: barred.map((offer) => `${peerName(offer.known.lender)}: ${offer.barred}`),
    models: [...models].map(([modelId, name]) => ({ modelId, name })),
  }
  try {
    const names = [...new Set([model, models.get(model) ?? model])]
    const passage = passageOf([], { scope, models: names }, texts, send)
    const { texts: leaving, counts } = redact(texts, passage.redact)
    const shown = messages.map((message, i) => ({ ...message, content: leaving[i] ?? '' }))
    return { ...found, messages: shown, redacted: counts, blocked: null }
  } catch (error) {
    if (!(error instanceof BlockedError)) throw error
    const kinds = [...new Set(error.found.map(({ kind }) => kind))].filter(isKind)
    const blocked = { why: `${error.what}: ${error.why}`, kinds }
    return { ...found, messages, redacted: {}, blocked }
  }
}
