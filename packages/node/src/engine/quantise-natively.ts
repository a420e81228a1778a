import koffi from 'koffi'

/** Bytes after the fields that we know, should a library's struct be longer. */
const SPARE_BYTES = 256

/** `GGML_TYPE_COUNT` and its like are small; "leave it to the file type" is the largest value. */
const MAX_ENUM = 1000

interface Params {
  nthread: number
  ftype: number
  output_tensor_type: number
  token_embedding_type: number
  allow_requantize: boolean
  quantize_output_tensor: boolean
  only_copy: boolean
  pure: boolean
  keep_split: boolean
  dry_run: boolean
  imatrix: unknown
  kv_overrides: unknown
  tt_overrides: unknown
  prune_layers: unknown
  max_buf_size: number | bigint
  spare: number[]
}

export interface NativeQuantiseInit {
  /** Path of `libllama`. */
  library: string
  input: string
  output: string
  /** `llama_ftype`. */
  fileType: number
  threads: number
  isDryRun: boolean
}

/**
 * Quantises a GGUF with the `libllama` at `library`. Blocks until it is done.
 * @throws Error when the library lays out its settings in another way, or refuses
 */
export function quantiseNatively(init: NativeQuantiseInit): void {
  const llama = koffi.load(init.library)
  // llama.h of v0.5.0; what the library says of its defaults must agree with this order.
  koffi.struct('llama_model_quantize_params', {
    nthread: 'int32_t',
    ftype: 'int32_t',
    output_tensor_type: 'int32_t',
    token_embedding_type: 'int32_t',
    allow_requantize: 'bool',
    quantize_output_tensor: 'bool',
    only_copy: 'bool',
    pure: 'bool',
    keep_split: 'bool',
    dry_run: 'bool',
    imatrix: 'void *',
    kv_overrides: 'void *',
    tt_overrides: 'void *',
    prune_layers: 'void *',
    max_buf_size: 'size_t',
    spare: koffi.array('uint8_t', SPARE_BYTES, 'Array'),
  })
  llama.func('void llama_backend_init()')()
  const params = llama.func(
    'llama_model_quantize_params llama_model_quantize_default_params()',
  )() as Params
  requireKnownLayout(params)
  params.nthread = init.threads
  params.ftype = init.fileType
  params.allow_requantize = true
  params.dry_run = init.isDryRun
  const quantise = llama.func(
    'uint32_t llama_model_quantize(const char *input, const char *output, const llama_model_quantize_params *params)',
  )
  const status = quantise(init.input, init.output, params) as number
  if (status !== 0) throw new Error(`llama_model_quantize gave ${status}`)
}

/** The defaults that every version has had tell whether the fields lie where we think. */
function requireKnownLayout(params: Params): void {
  const isKnown =
    params.nthread === 0 &&
    isEnum(params.ftype) &&
    isEnum(params.output_tensor_type) &&
    params.output_tensor_type === params.token_embedding_type &&
    !params.allow_requantize &&
    params.quantize_output_tensor &&
    !params.only_copy &&
    !params.pure &&
    !params.keep_split &&
    !params.dry_run &&
    params.imatrix === null &&
    params.kv_overrides === null &&
    params.tt_overrides === null &&
    params.prune_layers === null
  if (!isKnown) throw new Error('this build of llama.cpp lays out its settings in another way')
}

function isEnum(value: number): boolean {
  return value > 0 && value < MAX_ENUM
}
