import multi from '@wllama/wllama/esm/multi-thread/wllama.wasm?url'
import single from '@wllama/wllama/esm/single-thread/wllama.wasm?url'

/** Where this page serves llama.cpp's WebAssembly: a bundler copies both files beside the page. */
export const WASM_FILES = { single, multi }
