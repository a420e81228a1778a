/** Limits on what a stranger can send. Each is enforced by the decoder before anything is done with it. */

/** Largest frame of an answer: a request with the longest prompt fits, with room. */
export const MAX_FRAME_BYTES = 512 * 1024

/** Tokens in one prompt. Small models have at most 128 k context; this version serves up to 64 k. */
export const MAX_PROMPT_TOKENS = 65_536

/** Tokens in one answer. */
export const MAX_ANSWER_TOKENS = 16_384

/** Highest token id + 1; the largest vocabularies in use have about 262 k entries. */
export const MAX_VOCABULARY = 1 << 20

/** Ids that end an answer besides the model's own. */
export const MAX_STOP_IDS = 16

/** Tokens between two signatures (protocol: ≤ 16 tokens or ≤ 250 ms). */
export const MAX_CHUNK_TOKENS = 16
export const MAX_CHUNK_MS = 250

/** Tokens in one `tokens` frame; a lender that hangs on flushing may catch up a little. */
export const MAX_TOKENS_PER_FRAME = 64

/**
 * Chunks (1 MiB) of a model, and of a header. The list of a model's chunk hashes travels in one
 * message; the largest headers in use have about 20 MiB.
 */
export const MAX_MODEL_CHUNKS = 1 << 16
export const MAX_HEADER_CHUNKS = 32

/** Longest life of an offer. */
export const MAX_OFFER_MS = 10 * 60_000

/** Models in one offer and addresses in one offer. */
export const MAX_OFFER_MODELS = 16
export const MAX_OFFER_ADDRESSES = 16
export const MAX_OFFER_BYTES = 16 * 1024

/** Highest price for a million tokens, in the token's smallest unit: keeps sums far below uint128. */
export const MAX_PRICE = 10 ** 15

/** Temperature in thousandths. */
export const MAX_TEMPERATURE_MILLI = 2_000

/** Invitations: few addresses, so that a link fits into a QR code that a terminal can show. */
export const MAX_INVITATION_ADDRESSES = 8
export const MAX_INVITATION_BYTES = 1_024
export const MAX_INVITATION_NAME = 64
