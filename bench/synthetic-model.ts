import { rm } from 'node:fs/promises'
import { seededDice } from '../packages/node/src/demo/dice.ts'
import { type Quantisation, quantise } from '../packages/node/src/engine/quantise.ts'
import { type GgufTensor, type GgufValue, writeGguf } from './gguf-writer.ts'

/** Shape of a transformer of the Qwen2 family with tied embeddings. */
export interface Shape {
  layers: number
  width: number
  heads: number
  kvHeads: number
  feedForward: number
  vocabulary: number
}

/** As Qwen2.5-0.5B is built: 494 M parameters. */
export const HALF_BILLION: Shape = {
  layers: 24,
  width: 896,
  heads: 14,
  kvHeads: 2,
  feedForward: 4_864,
  vocabulary: 151_936,
}

/** Shows only that everything runs. */
export const TINY: Shape = {
  layers: 2,
  width: 64,
  heads: 4,
  kvHeads: 2,
  feedForward: 128,
  vocabulary: 1_024,
}

/** 24 M parameters: each instruction set gets through many texts. All rows fit k-quants. */
export const SMALL: Shape = {
  layers: 5,
  width: 512,
  heads: 8,
  kvHeads: 4,
  feedForward: 1_536,
  vocabulary: 16_384,
}

/** What somebody might serve in place of `SMALL`: the same vocabulary, half the width. */
export const SMALLER: Shape = { ...SMALL, layers: 3, width: 256, heads: 4, feedForward: 768 }

/** Standard deviation of each weight. */
const SPREAD = 0.02

/** Of embeddings that are not the output too: each word then weighs about as much as what was before it. */
const WORD_SPREAD = 0.1

/** Of embeddings that outweigh all that the layers add to them. */
const COUNTING_SPREAD = 3

export interface SyntheticInit {
  /** Standard deviation of the logits of one position: how few tokens share most of the probability. @default 4 */
  logitSpread?: number | undefined
  /** A matrix of its own for the output: with the embeddings a model likes best to say a word again. @default false */
  isUntied?: boolean | undefined
  /** Its favourite next id is the one after the last, whatever came before. @default false */
  isCounting?: boolean | undefined
  /** @default none: the model continues text */
  chatTemplate?: string | undefined
}

/** Random weights repeat after so many, a prime: no two rows of a matrix are the same. */
const POOL = 1_000_003

const CONTROL = ['<|endoftext|>', '<|im_end|>']

/**
 * Writes a model of this shape with random weights and a made-up vocabulary. It computes as much as a
 * real one and says nothing; the final norm's gain gives its logits the spread of a real model's.
 * @param path a file that is not there yet
 */
export async function makeSyntheticModel(
  path: string,
  shape: Shape,
  type: Quantisation,
  init: SyntheticInit = {},
): Promise<void> {
  const raw = `${path}.f16`
  try {
    await writeGguf(raw, metadata(shape, init), tensors(shape, init))
    await quantise(raw, path, type)
  } finally {
    await rm(raw, { force: true })
  }
}

/** The parameters that a token passes through, embeddings counted once. */
export function parametersOf(shape: Shape): number {
  return tensors(shape).reduce(
    (sum, tensor) => sum + tensor.shape.reduce((product, size) => product * size, 1),
    0,
  )
}

function metadata(shape: Shape, { chatTemplate }: SyntheticInit): Record<string, GgufValue> {
  const tokens = vocabulary(shape.vocabulary)
  const types = Int32Array.from(tokens, (token) => (CONTROL.includes(token) ? 3 : 1))
  const [end, turn] = CONTROL.map((token) => tokens.indexOf(token)) as [number, number]
  return {
    'general.architecture': 'qwen2',
    'general.name': 'synthetic',
    'general.file_type': 1,
    'general.quantization_version': 2,
    'qwen2.block_count': shape.layers,
    'qwen2.context_length': 32_768,
    'qwen2.embedding_length': shape.width,
    'qwen2.feed_forward_length': shape.feedForward,
    'qwen2.attention.head_count': shape.heads,
    'qwen2.attention.head_count_kv': shape.kvHeads,
    'qwen2.attention.layer_norm_rms_epsilon': { float: 1e-6 },
    'qwen2.rope.freq_base': { float: 1e6 },
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'qwen2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': ['Ġ a'],
    'tokenizer.ggml.bos_token_id': end,
    'tokenizer.ggml.eos_token_id': turn,
    'tokenizer.ggml.padding_token_id': end,
    ...(chatTemplate === undefined ? {} : { 'tokenizer.chat_template': chatTemplate }),
  }
}

/** Every byte as one token, then made-up words. */
function vocabulary(size: number): string[] {
  const tokens = byteLetters()
  for (let n = 0; tokens.length < size - CONTROL.length; n++) tokens.push(`Ġ${word(n)}`)
  return [...tokens, ...CONTROL]
}

function word(n: number): string {
  const letter = String.fromCharCode(97 + (n % 26))
  return n < 26 ? letter : word(Math.floor(n / 26) - 1) + letter
}

/** The letters that byte-level BPE writes bytes as: printable ones stand for themselves. */
function byteLetters(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
    return String.fromCharCode(isPrintable ? byte : next++)
  })
}

function tensors(
  shape: Shape,
  { logitSpread = 4, isUntied = false, isCounting = false }: SyntheticInit = {},
): GgufTensor[] {
  const { layers, width, heads, kvHeads, feedForward, vocabulary: rows } = shape
  const pool = gaussians(SPREAD)
  const spread = isCounting ? COUNTING_SPREAD : isUntied ? WORD_SPREAD : SPREAD
  const words = spread === SPREAD ? pool : gaussians(spread)
  const kv = (width / heads) * kvHeads
  let at = 0
  const matrix = (name: string, columns: number, height: number, from = pool): GgufTensor => {
    at += 7_919
    return matrixAt(at, name, columns, height, from)
  }
  const matrixAt = (start: number, name: string, columns: number, height: number, from = pool) => {
    return {
      name: `${name}.weight`,
      shape: [columns, height],
      type: 'f16',
      data: () => tiles(from, start, columns * height),
    } as const
  }
  const vector = (name: string, size: number, value: number): GgufTensor => ({
    name,
    shape: [size],
    type: 'f32',
    data: () => [new Uint8Array(new Float32Array(size).fill(value).buffer)],
  })
  const block = (n: number): GgufTensor[] => {
    const b = `blk.${n}`
    return [
      vector(`${b}.attn_norm.weight`, width, 1),
      matrix(`${b}.attn_q`, width, width),
      vector(`${b}.attn_q.bias`, width, 0),
      matrix(`${b}.attn_k`, width, kv),
      vector(`${b}.attn_k.bias`, kv, 0),
      matrix(`${b}.attn_v`, width, kv),
      vector(`${b}.attn_v.bias`, kv, 0),
      matrix(`${b}.attn_output`, width, width),
      vector(`${b}.ffn_norm.weight`, width, 1),
      matrix(`${b}.ffn_gate`, width, feedForward),
      matrix(`${b}.ffn_up`, width, feedForward),
      matrix(`${b}.ffn_down`, feedForward, width),
    ]
  }
  // Logits are sums over the width of a normed activation (1) times the gain times an embedding.
  const gain = logitSpread / ((isCounting ? spread : SPREAD) * Math.sqrt(width))
  const embeddings = matrix('token_embd', width, rows, words)
  // Each row is the embedding of the id before it.
  const next = matrixAt(at + POOL - width, 'output', width, rows, words)
  return [
    embeddings,
    ...Array.from({ length: layers }, (_, n) => block(n)).flat(),
    vector('output_norm.weight', width, gain),
    ...(isCounting ? [next] : isUntied ? [matrix('output', width, rows)] : []),
  ]
}

function gaussians(spread: number): Uint16Array {
  const dice = seededDice('synthetic weights')
  return Uint16Array.from({ length: POOL }, () => {
    const radius = spread * Math.sqrt(-2 * Math.log(1 - dice()))
    return half(radius * Math.cos(2 * Math.PI * dice()))
  })
}

const single = new Float32Array(1)
const bits = new Uint32Array(single.buffer)

/** Half-precision bits of a number that is neither huge nor, but for 0, tiny. */
function half(value: number): number {
  single[0] = value
  const whole = bits[0] as number
  const exponent = ((whole >>> 23) & 0xff) - 112
  if (exponent <= 0) return 0
  return ((whole >>> 16) & 0x8000) | (exponent << 10) | ((whole >>> 13) & 0x3ff)
}

/** `count` numbers of the pool, from anywhere and around its end. */
function* tiles(pool: Uint16Array, from: number, count: number): Generator<Uint8Array> {
  let start = from % pool.length
  for (let left = count; left > 0; ) {
    const part = pool.subarray(start, Math.min(pool.length, start + left))
    yield new Uint8Array(part.buffer, part.byteOffset, part.byteLength)
    left -= part.length
    start = 0
  }
}
