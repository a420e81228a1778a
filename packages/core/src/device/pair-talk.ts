import { IdentityError, LendingError } from '../errors.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import { decodePairMessage, encodePairMessage, type PairMessage } from '../wire/pair-messages.ts'

type MessageOf<K extends PairMessage['kind']> = Extract<PairMessage, { kind: K }>

/** One conversation of `/freehold/pair/1`. */
export interface PairTalk {
  send(message: PairMessage): Promise<void>
  /** @throws IdentityError when the other side refuses, LendingError when it leaves or says something else */
  next<K extends PairMessage['kind']>(kind: K, signal: AbortSignal): Promise<MessageOf<K>>
  /** Says no, and why. */
  refuse(why: string): Promise<void>
  /**
   * Both people say yes. Who leaves or says no ends the other's question too.
   * @throws IdentityError when either does not
   */
  agree(ask: (signal: AbortSignal) => Promise<boolean>, signal: AbortSignal): Promise<void>
  close(): Promise<void>
  /** Resolves when the other side has closed. */
  ended(signal: AbortSignal): Promise<void>
  abort(reason: Error): void
}

export function createPairTalk(messages: MessageStream): PairTalk {
  const send: PairTalk['send'] = (message) => messages.write(encodePairMessage(message))

  /** A message that was waited for while the person still thinks: so its absence is noticed too. */
  let ahead: Promise<PairMessage> | null = null

  async function read(signal: AbortSignal): Promise<PairMessage> {
    const data = await messages.read({ signal }).catch((error) => {
      signal.throwIfAborted()
      throw error
    })
    if (data === null) throw new LendingError('lost', { what: 'the other device left' })
    return decodePairMessage(data)
  }

  const next: PairTalk['next'] = async (kind, signal) => {
    const message = await (ahead ?? read(signal))
    ahead = null
    if (message.kind === kind) return message as MessageOf<typeof kind>
    if (message.kind === 'refuse') {
      throw new IdentityError({ what: 'the other device refuses', why: message.why })
    }
    throw new LendingError('protocol', { what: `${message.kind} came instead of ${kind}` })
  }

  const refuse = async (why: string): Promise<void> => {
    await send({ kind: 'refuse', why })
    await messages.close()
  }

  const agree: PairTalk['agree'] = async (ask, signal) => {
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const own = async () => {
      const isSame = await ask(either)
      either.throwIfAborted()
      if (isSame) return send({ kind: 'confirm' })
      await refuse('the words are not the same there').catch(() => {})
      throw new IdentityError({
        what: 'the words were not the same, so nothing was paired',
        next: 'Somebody may be in between. Try again over another network, or with the link',
      })
    }
    const heard = Promise.withResolvers<void>()
    const watch = async () => {
      await next('confirm', either)
      heard.resolve()
      ahead = read(signal)
      await ahead
      // What it said is for `next`; here it only must not be that it left.
      await new Promise(() => {})
    }
    try {
      await Promise.race([Promise.all([own(), heard.promise]), watch()])
    } catch (error) {
      over.abort(error)
      throw error
    }
  }

  return {
    send,
    next,
    refuse,
    agree,
    close: () => messages.close(),
    ended: async (signal) => {
      while ((await messages.read({ signal })) !== null);
    },
    abort: (reason) => messages.abort(reason),
  }
}
