import type { AnswerEnd, AnswerEvent } from '../../serving/answer.ts'
import { type Collected, collect } from '../collect.ts'
import { openaiError } from '../errors.ts'
import type { ApiRequest } from '../route.ts'
import { SSE, sseData, streamResponse } from '../stream.ts'

type Asked = Pick<ApiRequest<unknown>, 'id' | 'hangUp'>

/** Sends chunks of the answers to one request as they come; a failure on the way is an event. */
export function streamChunks(chunks: AsyncGenerator<string>, request: Asked): Promise<Response> {
  return streamResponse(chunks, {
    contentType: SSE,
    onFailure: (problem) => sseData(openaiError(problem, request.id)),
    ping: ': ping\n\n',
    onCancel: request.hangUp,
  })
}

/** The answers to one request, whole. Where one fails, nobody waits for the others. */
export function collectAll(
  answers: readonly AsyncGenerator<AnswerEvent, AnswerEnd>[],
  { hangUp }: Asked,
): Promise<Collected[]> {
  return Promise.all(answers.map(collect)).catch((error: unknown) => {
    hangUp()
    throw error
  })
}
