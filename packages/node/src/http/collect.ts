import type { AnswerEnd, AnswerEvent, Logprobs } from '../serving/answer.ts'
import type { ToolCall } from '../serving/tools.ts'

/** An answer that nobody wanted to see grow. */
export interface Collected {
  text: string
  reasoning: string
  calls: ToolCall[]
  logprobs: Logprobs[number][]
  end: AnswerEnd
}

/** Waits for the whole of an answer. */
export async function collect(events: AsyncGenerator<AnswerEvent, AnswerEnd>): Promise<Collected> {
  const whole = {
    text: '',
    reasoning: '',
    calls: [] as ToolCall[],
    logprobs: [] as Logprobs[number][],
  }
  for (;;) {
    const step = await events.next()
    if (step.done) return { ...whole, end: step.value }
    const event = step.value
    if (event.kind === 'start') continue
    if (event.kind === 'call') whole.calls.push(event.call)
    else {
      if (event.kind === 'text') whole.text += event.text
      else whole.reasoning += event.text
      whole.logprobs.push(...(event.logprobs ?? []))
    }
  }
}
