import { LendingError } from '../errors.ts'
import type { Terms } from '../wire/transcript.ts'
import type { BorrowComponents, Borrowed, BorrowInit } from './borrow-terms.ts'
import { BorrowedAnswer, refusedBy } from './borrowed-answer.ts'
import { asLendingError, createInbox, type FrameDuplex, unexpected } from './duplex.ts'
import { createLiveInbox } from './live-inbox.ts'

/** The borrowing side of one answer. @throws LendingError before the request is sent, never after */
export async function borrowAnswer(
  duplex: FrameDuplex,
  init: BorrowInit,
  components: BorrowComponents,
): Promise<Borrowed> {
  const inbox = createInbox(duplex, components.clock)
  const live = createLiveInbox(inbox, init.deadlines, components.clock)
  try {
    await duplex.send({ kind: 'open', ...init.open })
    const ready = await live.next(init.deadlines.handshakeMs, 'ready', init.signal)
    if (ready.kind === 'refuse') throw refusedBy(ready)
    if (ready.kind !== 'ready') unexpected(ready, 'waiting for ready')
    requireShort(init.request.promptIds.length, ready.maxPromptTokens)
    const [payer] = await Promise.all([init.payment?.openPayer(), init.beforeRequest?.()])
    const request = { ...init.request, b: components.random(32), voucher: null }
    const terms: Terms = { open: init.open, commit: ready.commit, request }
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
