import { decodeCanonical, encodeCanonical } from './canonical.ts'
import {
  amount,
  bytes,
  type Field,
  int,
  list,
  optional,
  record,
  text,
  uint,
  union,
  type ValueOf,
  word,
} from './field.ts'
import {
  MAX_ANSWER_TOKENS,
  MAX_FRAME_BYTES,
  MAX_PROMPT_TOKENS,
  MAX_STOP_IDS,
  MAX_TEMPERATURE_MILLI,
  MAX_TOKENS_PER_FRAME,
  MAX_VOCABULARY,
} from './limits.ts'
import { profileField } from './profile.ts'

export const tokenId = uint(MAX_VOCABULARY - 1)
const hash = bytes(32)
/** A log-probability in 1/1000 nat. */
export const lpMilli = int(-32_768, 0)
const count = uint(MAX_ANSWER_TOKENS)

export const scopeField = word('device', 'own', 'friends', 'market')
export type Scope = ValueOf<typeof scopeField>

/** `gumbel-sha256/1`: top-k 40, no min-p, nothing else. Temperature in thousandths. */
export const samplerField = record({
  id: word('gumbel-sha256/1'),
  temperatureMilli: uint(MAX_TEMPERATURE_MILLI),
})
export type SamplerSpec = ValueOf<typeof samplerField>

/** A voucher, and beside it what it is for: `tokens` output tokens of answer `reqId`. */
export const voucherField = record({
  channelId: hash,
  cumulative: amount(),
  sig: bytes(65),
  reqId: bytes(16),
  /** Output tokens of that answer paid with this voucher; 0 pays its prompt. */
  tokens: count,
  runningHash: hash,
})
export type VoucherFrame = ValueOf<typeof voucherField>

export const finishField = word('eos', 'stop', 'length', 'abort')
export type Finish = ValueOf<typeof finishField>

export const verdictField = word('pass', 'fail', 'pending')
export type Verdict = ValueOf<typeof verdictField>

export const refusalField = word(
  'busy',
  'engine',
  'expired-offer',
  'limit',
  'model',
  'payment',
  'protocol',
  'standing',
  'deadline',
  'owner',
)
export type Refusal = ValueOf<typeof refusalField>

export const openField = record({
  offerHash: hash,
  modelId: hash,
  reqId: bytes(16),
  channelId: optional(hash),
  scope: scopeField,
})

export const requestField = record({
  promptIds: list(tokenId, MAX_PROMPT_TOKENS),
  templateHash: hash,
  sampler: samplerField,
  maxTokens: uint(MAX_ANSWER_TOKENS),
  stopIds: list(tokenId, MAX_STOP_IDS),
  /** The borrower's half of the seed. */
  b: hash,
  voucher: optional(voucherField),
})

export const receiptBodyField = record({
  answerHash: hash,
  n: hash,
  count,
  cachedTokens: uint(MAX_PROMPT_TOKENS),
  runningHash: hash,
  finish: finishField,
  profile: profileField,
  offerHash: hash,
  channelId: optional(hash),
  /** Cumulative amount that this channel owes with this answer whole, token units. */
  due: amount(),
})
export type ReceiptBody = ValueOf<typeof receiptBodyField>

/** The lender's signature over the tokens so far. */
export const signedField = record({ count, runningHash: hash, sig: bytes(64) })

/** Every frame of an answer, by the number that it starts with. */
const frameFields = {
  open: openField,
  ready: record({
    commit: hash,
    /** The longest prompt that it takes of this borrower now. */
    maxPromptTokens: uint(MAX_PROMPT_TOKENS),
  }),
  refuse: record({ reason: refusalField, message: text(200) }),
  request: requestField,
  progress: record({ promptTokensDone: uint(MAX_PROMPT_TOKENS) }),
  tokens: record({
    /** With the first tokens: the lender's half of the seed, and prompt tokens it had cached. */
    start: optional(record({ n: hash, cachedTokens: uint(MAX_PROMPT_TOKENS) })),
    ids: list(tokenId, MAX_TOKENS_PER_FRAME),
    /** For each id, a 16-byte commitment to its log-probability (opened in the receipt). */
    lpCommits: list(bytes(16), MAX_TOKENS_PER_FRAME),
  }),
  signed: signedField,
  voucher: voucherField,
  cancel: record({}),
  receipt: record({
    body: receiptBodyField,
    sig: bytes(64),
    lpSalt: hash,
    /** Log-probability of each chosen token over the lender's raw top 64, in 1/1000 nat. */
    lps: list(lpMilli, MAX_ANSWER_TOKENS),
  }),
  audited: record({ verdict: verdictField }),
  /** The lender is there, and so is its engine; nothing else has changed. */
  alive: record({}),
}

type FrameFields = typeof frameFields
export type FrameKind = keyof FrameFields
export type FrameOf<K extends FrameKind> = { kind: K } & ValueOf<FrameFields[K]>
export type Frame = { [K in FrameKind]: FrameOf<K> }[FrameKind]
const frameField: Field<Frame> = union(frameFields)

export function encodeFrame(frame: Frame): Uint8Array {
  return encodeCanonical(frameField, frame)
}

/** @throws WireError for anything that is not one canonical frame within the limits */
export function decodeFrame(data: Uint8Array): Frame {
  return decodeCanonical(frameField, data, MAX_FRAME_BYTES)
}
