import { type EndReason, LendingError } from '../errors.ts'
import type { Frame, Refusal } from '../wire/frames.ts'
import { MAX_PROMPT_TOKENS } from '../wire/limits.ts'
import { nonceCommit, type Terms } from '../wire/transcript.ts'
import {
  asLendingError,
  createInbox,
  endsWithin,
  type FrameDuplex,
  type Inbox,
  plainText,
  unexpected,
} from './duplex.ts'
import type { Admission, LendComponents, LendInit, LentAnswer } from './lent-answer.ts'
import { createPulse, type Pulse } from './pulse.ts'
import { LAST_WORDS_MS, ServedAnswer } from './served-answer.ts'

/** The lending side of one answer. Never throws: whatever happens is in the result. */
export async function lendAnswer(
  carrier: FrameDuplex,
  init: LendInit,
  components: LendComponents,
): Promise<LentAnswer> {
  const { clock, log } = components
  const result: LentAnswer = {
    reqId: null,
    error: null,
    promptTokens: 0,
    tokens: 0,
    finish: null,
    verdict: null,
    isUnpaid: false,
  }
  let admission: Admission | undefined
  let duplex = carrier
  let pulse: Pulse | undefined
  try {
    const inbox = createInbox(carrier, clock)
    const opened = await inbox.next(init.deadlines.handshakeMs, 'open', init.signal)
    if (opened.kind !== 'open') unexpected(opened, 'waiting for open')
    const { kind: _, ...open } = opened
    pulse = createPulse(carrier, init.deadlines.beatMs, clock)
    duplex = pulse.duplex
    // In line before a wedged engine nobody shall wait.
    pulse.watch(async () => components.ping?.(open))
    admission = await components.admit(open)
    const { model } = admission
    pulse.watch(async () => model.ping?.())
    const { terms, n } = await shakeHands({ duplex, inbox, admission, open }, init, components)
    result.reqId = terms.open.reqId
    result.promptTokens = terms.request.promptIds.length
    const answer = new ServedAnswer(
      { duplex, inbox, admission, terms, n, result, pulse },
      init,
      components,
    )
    await answer.run()
  } catch (cause) {
    const error = asLendingError(cause)
    result.error = error
    log('lend.ended', { reason: error.reason, message: error.message })
    pulse?.stop()
    if (!(await endsWithin(refuse(duplex, error), LAST_WORDS_MS, clock))) duplex.abort(error)
  } finally {
    pulse?.stop()
    admission?.release()
  }
  return result
}

/** Says why, as far as the other side can hear it, then lets go. */
async function refuse(duplex: FrameDuplex, error: LendingError): Promise<void> {
  const reason = refusalOf(error.reason)
  // A stranger needs the reason, not our paths and internals.
  if (reason !== null) {
    await duplex.send({ kind: 'refuse', reason, message: plainText(error.what) })
  }
  await duplex.close()
}

/** The word for a reason on the wire; null when nobody is there to hear it. */
function refusalOf(reason: EndReason): Refusal | null {
  if (reason === 'cancelled' || reason === 'lost') return null
  return reason === 'stall' ? 'deadline' : reason
}

interface Greeting {
  duplex: FrameDuplex
  inbox: Inbox
  admission: Admission
  open: Terms['open']
}

async function shakeHands(
  { duplex, inbox, admission, open }: Greeting,
  init: LendInit,
  { random }: LendComponents,
): Promise<{ terms: Terms; n: Uint8Array }> {
  const n = random(32)
  const commit = nonceCommit(n)
  await duplex.send({ kind: 'ready', commit, maxPromptTokens: longestPrompt(admission) })
  const asked = await awaitRequest(inbox, admission, init)
  if (asked.kind !== 'request') unexpected(asked, 'waiting for request')
  await admission.begin?.()
  const { kind: _, ...request } = asked
  checkRequest(request, admission)
  return { terms: { open, commit, request }, n }
}

/** Who is ready waits for long, but not against its owner, nor in the way of others. */
async function awaitRequest(
  inbox: Inbox,
  { revoked }: Admission,
  { deadlines, signal, yields }: LendInit,
): Promise<Frame> {
  const ends = AbortSignal.any([signal, yields, revoked].filter((one) => one !== undefined))
  try {
    return await inbox.next(deadlines.readyMs, 'request', ends)
  } catch (error) {
    throw ends.aborted ? ends.reason : error
  }
}

function longestPrompt({ model, payment }: Admission): number {
  const cap = payment?.promptCapTokens ?? MAX_PROMPT_TOKENS
  return Math.min(cap, model.info.contextTokens, MAX_PROMPT_TOKENS)
}

/** @throws LendingError when the request cannot be served as asked */
function checkRequest(request: Terms['request'], { offered, model, payment }: Admission): void {
  const fail = (reason: 'limit' | 'protocol', why: string): never => {
    throw new LendingError(reason, { what: why })
  }
  const { promptIds, maxTokens, stopIds } = request
  const { vocabSize, contextTokens } = model.info
  if (promptIds.length === 0) fail('protocol', 'the prompt is empty')
  if (maxTokens === 0) fail('protocol', 'no tokens are asked for')
  if ([...promptIds, ...stopIds].some((id) => id >= vocabSize)) {
    fail('protocol', 'a token id is outside the vocabulary')
  }
  if (request.templateHash.some((byte, i) => byte !== offered.templateHash[i])) {
    fail('protocol', 'the request means another chat template')
  }
  if (promptIds.length + maxTokens > contextTokens) {
    fail('limit', `prompt and answer exceed the context of ${contextTokens} tokens`)
  }
  if (payment !== null && promptIds.length > payment.promptCapTokens) {
    fail('limit', `prompts of borrowers without history are limited to ${payment.promptCapTokens}`)
  }
}
