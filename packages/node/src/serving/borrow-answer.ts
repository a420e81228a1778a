import type { Completion, CompletionInit } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { AnswerEnd, AnswerEvent, AnswerInit } from './answer.ts'

/** Borrows an answer from a peer, or has the device say why it cannot. */
export async function* borrowAnswer(
  device: Pick<Device, 'complete'>,
  { model, asker, sampling, maxTokens }: AnswerInit,
  question: Pick<CompletionInit, 'messages'>,
): AsyncGenerator<AnswerEvent, AnswerEnd> {
  const texts: string[] = []
  let wake = () => {}
  let isOver = false
  const whole = device
    .complete({
      model,
      ...question,
      scope: asker.scope,
      key: asker.key,
      via: asker.via,
      maxPrice: asker.maxPrice,
      temperature: sampling.temperature,
      maxTokens,
      signal: asker.signal,
      onText: (text) => {
        texts.push(text)
        wake()
      },
    })
    .finally(() => {
      isOver = true
      wake()
    })
  whole.catch(() => {})
  for (;;) {
    const text = texts.splice(0).join('')
    if (text !== '') {
      yield { kind: 'text', text, logprobs: null }
      continue
    }
    if (isOver) break
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  const completion = await whole
  // What came until then is with the caller already.
  if (completion.error !== null) throw completion.error
  return endOf(completion)
}

function endOf({ ids, finish, promptTokens, firstTokenMs, totalMs, parts }: Completion): AnswerEnd {
  const receipts = parts.flatMap(({ receipt }) => receipt ?? []).join(', ')
  return {
    finish: finish === 'length' ? 'length' : 'stop',
    stopText: null,
    promptTokens,
    cachedTokens: 0,
    tokens: ids.length,
    loadMs: 0,
    promptMs: firstTokenMs ?? totalMs,
    generateMs: totalMs - (firstTokenMs ?? totalMs),
    receipt: receipts === '' ? null : receipts,
  }
}
