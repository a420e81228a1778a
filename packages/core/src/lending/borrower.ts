import { LendingError } from '../errors.ts'
import type { Clock } from '../platform.ts'
import type { Terms } from '../wire/transcript.ts'
import type { BorrowComponents, Borrowed, BorrowInit } from './borrow-terms.ts'
import { BorrowedAnswer, refusedBy } from './borrowed-answer.ts'
import { asLendingError, createInbox, type FrameDuplex, type Inbox, unexpected } from './duplex.ts'
import { createLiveInbox } from './live-inbox.ts'

/** A lender that waits for one request. */
export interface ReadyLender {
  duplex: FrameDuplex
  inbox: Inbox
  /** The same, where signs of life are expected. */
  live: Inbox
  open: Terms['open']
  commit: Uint8Array
  maxPromptTokens: number
}

/** Asks a lender to be ready for a request. @throws LendingError, after which the stream is gone */
export async function greetLender(
  duplex: FrameDuplex,
  { open, deadlines, signal }: Pick<BorrowInit, 'open' | 'deadlines' | 'signal'>,
  { clock }: { clock: Clock },
): Promise<ReadyLender> {
  const inbox = createInbox(duplex, clock)
  const live = createLiveInbox(inbox, deadlines, clock)
  try {
    await duplex.send({ kind: 'open', ...open })
    const ready = await live.next(deadlines.handshakeMs, 'ready', signal)
    if (ready.kind === 'refuse') throw refusedBy(ready)
    if (ready.kind !== 'ready') unexpected(ready, 'waiting for ready')
    const { commit, maxPromptTokens } = ready
    return { duplex, inbox, live, open, commit, maxPromptTokens }
  } catch (cause) {
    const error = asLendingError(cause)
    duplex.abort(error)
    throw error
  }
}

/** Borrows an answer of a lender that is ready. @throws LendingError before the request is sent, never after */
export async function borrowAnswer(
  ready: ReadyLender,
  init: BorrowInit,
  components: BorrowComponents,
): Promise<Borrowed> {
  const { duplex, inbox, live, open, commit, maxPromptTokens } = ready
  try {
    requireShort(init.request.promptIds.length, maxPromptTokens)
    const [payer] = await Promise.all([init.payment?.openPayer(), init.beforeRequest?.()])
    const request = { ...init.request, b: components.random(32), voucher: null }
    const terms: Terms = { open, commit, request }
    const answer = new BorrowedAnswer(
      { duplex, inbox, live, payer: payer ?? null, terms },
      init,
      components,
    )
    return await answer.run()
  } catch (cause) {
    const error = asLendingError(cause)
    duplex.abort(error)
    throw error
  }
}

/** What the lender would refuse once it has it is not sent. @throws LendingError `limit` */
function requireShort(promptTokens: number, mostTokens: number): void {
  if (promptTokens <= mostTokens) return
  throw new LendingError('limit', {
    what: `this lender takes ${mostTokens} tokens of prompt now`,
    why: `this one has ${promptTokens}; who has no history there, or none that the lender knows of, gets less`,
    next: 'Borrow something shorter from it first, or ask another with --peer',
  })
}
