import type { ChildProcess } from 'node:child_process'
import { EngineError, ModelError, UsageError } from '@freehold/core/errors'
import { collectLines } from './collect-lines.ts'
import { forkChild } from './fork-child.ts'
import { createOutbox } from './outbox.ts'
import type {
  Drawn,
  Failure,
  LogLevel,
  Operation,
  Operations,
  Reply,
  Request,
  Slice,
} from './protocol.ts'

/** How long a child may take to end by itself before it is killed. */
const GRACE_MS = 2000

/** How long its last words are waited for after it ended. */
const LAST_WORDS_MS = 100

/** What the child was doing, for the message when it dies. */
const DOING: Record<Operation, string> = {
  load: 'it loaded the model',
  ping: 'it was idle',
  tokenize: 'it tokenised a text',
  detokenize: 'it turned tokens into text',
  open: 'it opened a sequence',
  close: 'it closed a sequence',
  openText: 'it opened a sequence',
  closeText: 'it closed a sequence',
  save: 'it saved a sequence',
  feed: 'it computed',
  draw: 'it computed',
  idsToEmbed: 'it tokenised a text',
  embed: 'it embedded a text',
}

export interface EngineProcessInit {
  /** Called with each line that native code says; without it nothing is printed. */
  log?: ((level: LogLevel, line: string) => void) | undefined
  /** More for the child's environment. */
  env?: Record<string, string> | undefined
}

export interface Call<Result> {
  readonly result: Promise<Result>
  /** Asks the child to stop; `result` is then rejected unless it was about to be done. */
  cancel(): void
}

/** The child process of one model, with a request and response protocol. */
export interface EngineProcess extends AsyncDisposable {
  /** Sends one request. @throws EngineError or ModelError as the child says, EngineError when it dies */
  call<Op extends Operation>(
    op: Op,
    params: Operations[Op]['params'],
    onPart?: (part: Part<Op>) => void,
  ): Call<Operations[Op]['result']>
  /** Called once when the process has ended, however it ended. */
  onEnd(listener: (reason: EngineError) => void): void
  /** Undefined once the process has ended. */
  readonly pid: number | undefined
}

/** What an operation tells before it is done. */
type Part<Op extends Operation> = Op extends 'feed' ? Slice : Op extends 'draw' ? Drawn : never

interface Pending {
  op: Operation
  total: number
  resolve(value: unknown): void
  reject(reason: unknown): void
  onPart: ((part: never) => void) | undefined
}

/** Starts a child process. It ends with its parent, and an idle one does not keep its parent alive. */
export function startEngineProcess(init: EngineProcessInit): EngineProcess {
  const child = forkChild('child', init)
  setRef(child, false)
  const pending = new Map<number, Pending>()
  const listeners: ((reason: EngineError) => void)[] = []
  const errors = collectLines(child.stderr, (line) => init.log?.('error', line))
  collectLines(child.stdout, (line) => init.log?.('info', line))
  const ended = Promise.withResolvers<void>()
  const send = createOutbox<Request>((batch) => {
    // A failed send means that the child is ending, which rejects what is pending.
    if (child.connected) child.send(batch, () => {})
  })
  let death: EngineError | undefined
  let isClosing = false
  let nextId = 1

  function settle(id: number): Pending | undefined {
    const call = pending.get(id)
    pending.delete(id)
    if (pending.size === 0) setRef(child, false)
    return call
  }

  function die(how: string): void {
    if (death !== undefined) return
    const [first] = pending.values()
    death = isClosing
      ? new EngineError({ what: 'the model was closed' })
      : new EngineError({
          what: `the engine process died (${how})${first ? ` while ${DOING[first.op]}` : ''}`,
          why: errors.last() === '' ? undefined : errors.last(),
          next:
            first?.op === 'load'
              ? 'The device goes on; the file is probably broken, so fetch it again or choose another.'
              : 'The device goes on; load the model again.',
        })
    for (const id of [...pending.keys()]) settle(id)?.reject(death)
    for (const listener of listeners) listener(death)
    ended.resolve()
  }

  function receive(reply: Reply): void {
    if (reply.type === 'log') init.log?.(reply.level, reply.line)
    else if (reply.type === 'done') settle(reply.id)?.resolve(reply.result)
    else if (reply.type === 'failed') settle(reply.id)?.reject(toError(reply.failure))
    else if (reply.type === 'drawn') pending.get(reply.id)?.onPart?.(reply.drawn as never)
    else receiveSlice(reply.id, reply.slice)
  }

  function receiveSlice(id: number, slice: Slice): void {
    const call = pending.get(id)
    call?.onPart?.(slice as never)
    if (call !== undefined && slice.done >= call.total) settle(id)?.resolve(null)
  }

  child.on('message', (batch: Reply[]) => {
    for (const reply of batch) receive(reply)
  })
  child.on('error', (error) => die(error.message))
  child.on('exit', (code, signal) => {
    const how = signal ?? `exit status ${code}`
    // What it said on stderr may still be on its way.
    const timer = setTimeout(() => die(how), LAST_WORDS_MS)
    void errors.ended.then(() => {
      clearTimeout(timer)
      die(how)
    })
  })

  return {
    call(op, params, onPart) {
      const id = nextId++
      const result = Promise.withResolvers<never>()
      if (death !== undefined) result.reject(death)
      else {
        const total = op === 'feed' && 'ids' in params ? params.ids.length : 0
        pending.set(id, { op, total, onPart, ...result })
        setRef(child, true)
        send({ op, id, ...params } as Request)
      }
      return { result: result.promise, cancel: () => send({ op: 'cancel', id }) }
    },
    onEnd(listener) {
      if (death === undefined) listeners.push(listener)
      else listener(death)
    },
    get pid() {
      return death === undefined ? child.pid : undefined
    },
    async [Symbol.asyncDispose]() {
      isClosing = true
      if (child.connected) child.disconnect()
      const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
      await ended.promise
      clearTimeout(timer)
    },
  }
}

function setRef(child: ChildProcess, isHeld: boolean): void {
  for (const part of [child, child.channel, child.stdout, child.stderr]) {
    const handle = part as { ref?: () => void; unref?: () => void } | null | undefined
    if (isHeld) handle?.ref?.()
    else handle?.unref?.()
  }
}

function toError(failure: Failure): Error {
  const { kind, what, why, next } = failure
  if (kind === 'model') return new ModelError({ what, why, next: next ?? 'Choose another model.' })
  if (kind === 'usage') return new UsageError({ what, why, next })
  return new EngineError({ what, why, next })
}
