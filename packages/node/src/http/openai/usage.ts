import type { AnswerEnd } from '../../serving/answer.ts'

/** Usage of the choices of one request: the prompt counts once. */
export function usageOf(ends: readonly AnswerEnd[]) {
  const prompt = ends[0]?.promptTokens ?? 0
  const completion = ends.reduce((sum, { tokens }) => sum + tokens, 0)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: ends[0]?.cachedTokens ?? 0 },
  }
}

/** `x-freehold-receipt` names the receipts of a borrowed answer, comma-separated: one, or one for each of its parts. */
export function receiptHeaders(ends: readonly AnswerEnd[]): Record<string, string> {
  const receipt = ends[0]?.receipt
  return receipt ? { 'x-freehold-receipt': receipt } : {}
}
