/** The child process: runs llama.cpp for one model, so that a native crash takes down no device. */
import { FORCED_BINS_ENV, type ForcedBins, hookLlama } from './llama-hooks.ts'
import { createDraws, type Draws } from './native-draws.ts'
import type { NativeModel } from './native-model.ts'
import { createOutbox } from './outbox.ts'
import type { Failure, FailureKind, Operations, Reply, Request } from './protocol.ts'
import { queueFeed } from './queue-feed.ts'
import { createRounds } from './rounds.ts'

/** Lines of llama.cpp's errors that explain a failed load. */
const KEPT_ERRORS = 3

const forced = process.env[FORCED_BINS_ENV]
hookLlama(forced === undefined ? undefined : (JSON.parse(forced) as ForcedBins))
// Before it is asked for: it takes as long as its parent takes to look at the model.
const native = import('./native-model.ts')
native.catch(() => {})

const rounds = createRounds()
const feeding = new Map<number, number>()
const lastErrors: string[] = []
let loaded: { model: NativeModel; draws: Draws } | undefined

// Once the next step computes, which need not wait until its parent has heard of the last one.
const reply = createOutbox<Reply>((batch) => {
  if (process.connected) process.send?.(batch)
}, setImmediate)

function fail(id: number, kind: FailureKind, what: string, error?: unknown): void {
  const native = lastErrors.splice(0).join('; ')
  const said = error instanceof Error ? error.message : ''
  const why = [said, native].filter((text) => text !== '').join(' – ')
  const failure: Failure = { kind, what, why: why === '' ? undefined : why }
  reply({ type: 'failed', id, failure })
}

async function load(request: Request & { op: 'load' }): Promise<void> {
  try {
    const { loadNativeModel, startLlama } = await native
    const llama = await startLlama({
      useGpu: request.useGpu,
      isVerbose: request.isVerbose,
      onLog(level, line) {
        if (level === 'error') lastErrors.push(line)
        if (lastErrors.length > KEPT_ERRORS) lastErrors.shift()
        if (request.isVerbose) reply({ type: 'log', level, line })
      },
    })
    const model = await loadNativeModel(llama, request)
    loaded = { model, draws: createDraws({ model, rounds }) }
    reply({ type: 'done', id: request.id, result: model.parts })
  } catch (error) {
    fail(request.id, 'model', 'the model cannot be loaded', error)
  }
}

function feed(model: NativeModel, request: Request & { op: 'feed' }): void {
  const { id, sequence } = request
  feeding.set(id, sequence)
  queueFeed({ model, rounds }, request, {
    onSlice: (slice) => reply({ type: 'slice', id, slice }),
    onEnd(error, isWhole) {
      feeding.delete(id)
      if (error !== undefined) fail(id, 'engine', 'the engine could not compute', error)
      else if (!isWhole) fail(id, 'aborted', 'the call was cancelled')
    },
  })
}

async function perform(
  { model, draws }: { model: NativeModel; draws: Draws },
  request: Request,
): Promise<Operations[keyof Operations]['result']> {
  switch (request.op) {
    case 'ping':
      return null
    case 'tokenize':
      return Uint32Array.from(model.model.tokenize(request.text, request.special))
    case 'detokenize':
      return model.model.detokenize(Array.from(request.ids) as never)
    case 'open':
      await model.open(request.sequence)
      return null
    case 'openText':
      await model.openText(request.sequence, request.shape)
      return null
    case 'closeText':
      rounds.forget(request.sequence)
      model.closeText(request.sequence)
      return null
    case 'draw': {
      const { op: _, id, ...params } = request
      return draws.draw(id, params, (drawn) => reply({ type: 'drawn', id, drawn }))
    }
    case 'idsToEmbed':
      return model.idsToEmbed(request.text)
    case 'save':
      await model.save(request.sequence, request.path)
      return null
    case 'embed':
      return model.embed(request.ids)
    case 'close':
      rounds.forget(request.sequence)
      await model.close(request.sequence)
      return null
    default:
      throw new Error(`unknown operation ${request.op}`)
  }
}

async function handle(request: Request): Promise<void> {
  if (request.op === 'load') return load(request)
  if (request.op === 'cancel') {
    const sequence = feeding.get(request.id)
    if (sequence !== undefined) rounds.cancel(sequence)
    loaded?.draws.cancel(request.id)
    return
  }
  if (loaded === undefined) return fail(request.id, 'engine', 'no model is loaded')
  if (request.op === 'feed') return feed(loaded.model, request)
  try {
    reply({ type: 'done', id: request.id, result: await perform(loaded, request) })
  } catch (error) {
    if (error instanceof Error && error.name === 'GrammarError') {
      return fail(request.id, 'usage', 'the grammar cannot be used', error)
    }
    if (request.op === 'embed') return fail(request.id, 'model', 'the model gives no vector', error)
    const what =
      request.op === 'draw' ? 'the engine could not compute' : `the engine failed to ${request.op}`
    fail(request.id, 'engine', what, error)
  }
}

// Nothing here is worth saving, and native threads may be busy: end at once with the parent.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.on('message', (batch: Request[]) => {
  for (const request of batch) void handle(request)
})
