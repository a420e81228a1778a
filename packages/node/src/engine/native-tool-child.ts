/** A child process for one native call through koffi. */
import { dirname, join } from 'node:path'
import koffi from 'koffi'
import type { NativeToolReply, NativeToolRequest } from './native-tool.ts'
import { quantiseNatively } from './quantise-natively.ts'

function score(libraries: readonly string[]): number[] {
  return libraries.map((path) => {
    // The variants need this one, and only on some systems find it by themselves.
    koffi.load(join(dirname(path), `libggml-base${path.slice(path.lastIndexOf('.'))}`))
    return koffi.load(path).func('int ggml_backend_score()')() as number
  })
}

function perform(request: NativeToolRequest): NativeToolReply {
  try {
    if (request.tool === 'score') return { result: score(request.libraries) }
    quantiseNatively(request)
    return { result: null }
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) }
  }
}

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.on('message', (request: NativeToolRequest) => process.send?.(perform(request)))
