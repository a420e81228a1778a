import { type GgufHeader, ggufNumbers } from '@freehold/core/engine/gguf'
import { ModelError } from '@freehold/core/errors'

/**
 * What a model takes in memory, from its header alone. Tensors and KV cache are arithmetic; the
 * compute buffer is a formula that was fitted to what llama.cpp v0.5.0 says it allocates on a CPU
 * ("compute buffer size"); `fit.test.ts` holds it against the real thing.
 */

/** How a model is to be loaded. */
export interface FitInit {
  contextTokens: number
  sequences: number
  /** @default false */
  flashAttn?: boolean | undefined
  /** Bytes of one number in the KV cache. @default 2, f16 */
  kvBytes?: number | undefined
}

export interface Needs {
  weightsBytes: number
  kvBytes: number
  computeBytes: number
  /** The child process around it. */
  processBytes: number
  totalBytes: number
  /** Tokens of one sequence: what was asked, or the model's own limit if it is smaller. */
  contextTokens: number
  sequences: number
  /** What is read from memory for each token, half of the context being filled. */
  bytesPerToken: number
}

/** `ROUND_TOKENS` of the engine: what one batch holds. */
const BATCH_TOKENS = 512

/** The engine asks for one more than it fills, in steps of this. */
const CONTEXT_PAD = 256

/** A child of Node with llama.cpp and no model: measured as 70 to 90 MB of its own on Linux x64. */
const PROCESS_BYTES = 100e6

const FLOAT_BYTES = 4

/** Beyond these a header lies; the largest models stay below a tenth. */
const LIMITS = { layers: 1_000, width: 1_000_000, heads: 10_000, head: 100_000 }

/**
 * Says what the model needs. Weights are counted although they are mapped from their file, since what
 * is read for each token must stay in memory; those that llama.cpp copies into another order for the
 * CPU are counted once, as their place in the file is not read again.
 * @throws ModelError when the header says no shape, or one that makes no sense
 */
export function estimateNeeds(header: GgufHeader, init: FitInit): Needs {
  const shape = readShape(header)
  const weightsBytes = header.tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return needsOfParts({ weightsBytes, readBytes: readPerToken(header, shape), shape }, init)
}

/** The same for a model of which only this is known. @param parts.readBytes weights read for each token */
export function needsOfParts(
  parts: { weightsBytes: number; readBytes: number; shape: FitShape },
  init: FitInit,
): Needs {
  const { weightsBytes, shape } = parts
  const contextTokens = Math.min(init.contextTokens, shape.contextTokens)
  const cells = Math.ceil((contextTokens + 1) / CONTEXT_PAD) * CONTEXT_PAD
  const perCell = shape.kvNumbers * (init.kvBytes ?? 2)
  const kvBytes = perCell * cells * init.sequences
  const computeBytes = estimateCompute(shape, cells, init)
  return {
    weightsBytes,
    kvBytes,
    computeBytes,
    processBytes: PROCESS_BYTES,
    totalBytes: weightsBytes + kvBytes + computeBytes + PROCESS_BYTES,
    contextTokens,
    sequences: init.sequences,
    bytesPerToken: parts.readBytes + (perCell * contextTokens) / 2,
  }
}

/** What memory depends on, besides the weights. */
export interface FitShape {
  contextTokens: number
  width: number
  heads: number
  feedForward: number
  vocabulary: number
  /** Numbers that one token keeps in the KV cache, over all layers. */
  kvNumbers: number
}

interface Shape extends FitShape {
  experts: number
  usedExperts: number
}

function readShape(header: GgufHeader): Shape {
  const architecture = String(header.metadata.get('general.architecture') ?? '')
  const values = (name: string) => ggufNumbers(header, `${architecture}.${name}`)
  const number = (name: string, limit: number, otherwise?: number): number => {
    const found = values(name) ?? [otherwise ?? Number.NaN]
    const value = found.length > LIMITS.layers ? Number.NaN : Math.max(...found)
    if (Number.isFinite(value) && value >= 0 && value <= limit) return value
    throw new ModelError({
      what: 'the model’s file says no shape that makes sense',
      why: `its ${architecture}.${name} is ${Number.isNaN(value) ? 'no number' : value}`,
      next: 'Choose another model.',
    })
  }
  const layers = number('block_count', LIMITS.layers)
  const width = number('embedding_length', LIMITS.width)
  const heads = number('attention.head_count', LIMITS.heads)
  const head = heads === 0 ? 0 : width / heads
  number('attention.head_count_kv', LIMITS.heads, heads)
  // One number for all layers, or one for each.
  const kvHeads = values('attention.head_count_kv') ?? [heads]
  const allHeads =
    kvHeads.length === 1 ? (kvHeads[0] ?? 0) * layers : kvHeads.reduce((sum, n) => sum + n, 0)
  const [key, value] = ['key', 'value'].map((part) =>
    number(`attention.${part}_length`, LIMITS.head, head),
  ) as [number, number]
  const rows = header.tensors.find(({ name }) => name === 'token_embd.weight')?.dimensions[1]
  const tokens = header.metadata.get('tokenizer.ggml.tokens')
  return {
    contextTokens: number('context_length', Number.MAX_SAFE_INTEGER),
    width,
    heads,
    feedForward: number('feed_forward_length', LIMITS.width * 10, 0),
    vocabulary: rows ?? (typeof tokens === 'object' ? tokens.count : 0),
    kvNumbers: allHeads * (key + value),
    experts: number('expert_count', LIMITS.heads, 0),
    usedExperts: number('expert_used_count', LIMITS.heads, 0),
  }
}

/**
 * The largest of the three phases of a graph for a whole batch: attention, feed-forward, logits. Buffers
 * of a phase that is over are used again.
 */
function estimateCompute(shape: FitShape, cells: number, init: FitInit): number {
  const { width, heads, feedForward, vocabulary } = shape
  // A batch is spread over all sequences, each with its own cells.
  const tokens = Math.min(BATCH_TOKENS, cells * init.sequences)
  const state = tokens * width * FLOAT_BYTES
  // Scores of all heads and the mask; flash attention computes them a tile at a time, and lays
  // several sequences out anew.
  const attention = init.flashAttn
    ? tokens * cells * 2 + (init.sequences > 1 ? 13 : 9) * state
    : tokens * cells * (heads + 1) * FLOAT_BYTES + 7 * state
  const feeding = 2 * tokens * feedForward * FLOAT_BYTES + 3 * state
  const logits = tokens * vocabulary * FLOAT_BYTES + 2 * state
  return Math.max(attention, feeding, logits)
}

/** All matrices are read for each token, but for unused experts and an embedding that is looked up. */
function readPerToken(header: GgufHeader, { experts, usedExperts }: Shape): number {
  const isTied = !header.tensors.some(({ name }) => name === 'output.weight')
  return header.tensors.reduce((sum, { name, sizeBytes }) => {
    if (name === 'token_embd.weight' && !isTied) return sum
    const isExpert = experts > 0 && name.includes('_exps')
    return sum + (isExpert ? (sizeBytes * usedExperts) / experts : sizeBytes)
  }, 0)
}
