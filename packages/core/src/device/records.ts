import type { Address, Hex } from 'viem'
import type { Audit } from '../audit/audit.ts'
import type { Profile } from '../engine/engine.ts'
import type { Evidence } from '../lending/evidence.ts'
import type { Verdict } from '../wire/frames.ts'
import type { Manifest } from '../wire/manifest.ts'
import type { SignedOrder } from '../wire/relay-messages.ts'

/** An answer that this device borrowed: what it may need to prove, pay or audit later. */
export interface AnswerRecord {
  /** Request id, hex; the name of the receipt. */
  id: string
  /** Lender's device key, hex. */
  lender: string
  modelId: string
  modelName: string
  /** Hash of the manifest that the lender offered, hex; empty in rows of the first version. */
  manifestHash: string
  /** Profile that the lender offered under. */
  profile: Profile
  startedAtMs: number
  /** `receipt`, or why it broke off. */
  end: string
  tokens: number
  promptTokens: number
  evidence: Evidence | null
  channelId: string | null
  /** What the answer costs whole, and what of it was held back at its end, token units. */
  priceUnits: bigint
  heldUnits: bigint
  /** Whether the coin fell on it; null until it was drawn. */
  isDrawn: boolean | null
  audit: Omit<Audit, 'pool'> | null
  /** Which other device of this owner replayed it, by its key in hex; null: this one, or none yet. */
  auditor: string | null
  /** What the evidence pool of lender and model said after this answer. */
  pooled: Verdict | null
  /** How the held-back part ended. */
  payment: 'free' | 'open' | 'paid' | 'withheld'
}

/** An answer that this device lent. The prompt is not kept. */
export interface LentRecord {
  id: string
  borrower: string
  modelId: string
  startedAtMs: number
  tokens: number
  promptTokens: number
  end: string
  isUnpaid: boolean
  verdict: Verdict | null
}

/** Channels that this device opens by itself. */
export interface WarmState {
  /** Which process opens one now, until when at the latest. */
  turn: { token: string; untilMs: number } | null
  /** Openings that were asked for and not seen on the chain, by the lender's device key in hex. */
  asked: Record<string, { amount: bigint; atMs: number }>
}

/** A device that this one has met. */
export interface PeerRecord {
  /** Device key, hex. */
  device: string
  addresses: string[]
  /** Latest offer, encoded. */
  offer: Uint8Array | null
  seenAtMs: number
  /** Others told its offer; it never proved its key to this device. */
  isHearsay?: true
}

/** A device by which this one finds back into the network. */
export interface ContactRecord {
  /** Device key, hex. */
  device: string
  /** What the owner calls it, if it was invited by a link. */
  name: string | null
  addresses: ContactAddress[]
  seenAtMs: number
}

export interface ContactAddress {
  address: string
  seenAtMs: number
  /** When the device proved its key there; null: somebody says that it is there. */
  metAtMs: number | null
}

/** A header of a model that is not here, as far as it was fetched. */
export interface HeaderRecord {
  /** Model id, hex. */
  modelId: string
  manifest: Manifest
  /** SHA-256 of the GGUF without tensors that was made of it, hex; null until it is whole. */
  gguf: string | null
}

/** What this device signed for relayers to submit: of one slot, one order can happen at most. */
export interface OrderRecord {
  /** See `slotOf`. */
  slot: string
  kind: SignedOrder['kind']
  /** Each that left. What is not done may still be until its deadline, whatever was said. */
  handed: {
    /** Names the order; see `orderId`. */
    id: Hex
    order: SignedOrder
    /** Account to be paid, and the device that was asked, by its key in hex. */
    relayer: Address
    device: string
    askedAtMs: number
    /** It was silent, or said what the chain does not show. */
    isBroken: boolean
  }[]
  /** Whether the chain shows one of them. */
  isDone: boolean
  /** Token units that it cost; of several, and nobody knows which, the dearest. */
  fee: bigint | null
  /** Where the chain shows it, if that is known. */
  transaction: Hex | null
}

/** An order of somebody else that this device submitted, or was about to when it died. */
export interface RelayedRecord {
  id: Hex
  kind: SignedOrder['kind']
  /** Device that asked, by its key in hex, and the account whose order it is. */
  device: string
  account: Address
  /** Token units that it brought. */
  fee: bigint
  startedAtMs: number
  /** null: it is not known whether it came to the chain. */
  transaction: Hex | null
  gasUsed: bigint
  /** What it cost in wei of the native coin. */
  feeWei: bigint
}
