import type { ModelInfo } from '@freehold/core/engine/engine'
import { UsageError } from '@freehold/core/errors'
import type { GenerationInit } from './generation.ts'

/** As many rivals as the interface promises. */
const MOST_TOP_LOGPROBS = 20

/** @throws UsageError for what cannot be generated, before anything is computed */
export function checkGeneration(init: GenerationInit, info: ModelInfo): void {
  const { promptIds, maxTokens, sampling, stop, topLogprobs = 0 } = init
  requireIds([...promptIds, ...sampling.logitBias.keys()], info)
  require(promptIds.length > 0, 'the prompt is empty')
  require(Number.isInteger(maxTokens) && maxTokens > 0, `maxTokens is ${maxTokens}`)
  if (promptIds.length + maxTokens > info.contextTokens) {
    throw new UsageError({
      what: 'the prompt and its answer do not fit into the context',
      why: `${promptIds.length} tokens of prompt and up to ${maxTokens} of answer are more than the ${info.contextTokens} of this model here`,
      next: 'Shorten the prompt, ask for a shorter answer, or load the model with a larger context.',
    })
  }
  const { repeatPenalty, penaltyTokens, topK, topP, minP, temperature, seed = 0 } = sampling
  const { presencePenalty, frequencyPenalty, logitBias } = sampling
  require(Number.isFinite(temperature) && temperature >= 0, `temperature is ${temperature}`)
  require(Number.isInteger(topK) && topK >= 0, `topK is ${topK}`)
  require(topP > 0 && topP <= 1, `topP is ${topP}`)
  require(minP >= 0 && minP <= 1, `minP is ${minP}`)
  require(Number.isSafeInteger(seed), `seed is ${seed}`)
  require(Number.isFinite(repeatPenalty) && repeatPenalty > 0, `repeatPenalty is ${repeatPenalty}`)
  require(Number.isFinite(presencePenalty), `presencePenalty is ${presencePenalty}`)
  require(Number.isFinite(frequencyPenalty), `frequencyPenalty is ${frequencyPenalty}`)
  require(Number.isInteger(penaltyTokens) &&
    penaltyTokens >= -1, `penaltyTokens is ${penaltyTokens}`)
  for (const bias of logitBias.values()) require(Number.isFinite(bias), `a logit bias is ${bias}`)
  require(!stop.includes(''), 'a stop text is empty')
  require(Number.isInteger(topLogprobs) &&
    topLogprobs >= 0 &&
    topLogprobs <=
      MOST_TOP_LOGPROBS, `topLogprobs is ${topLogprobs}, and 0 to ${MOST_TOP_LOGPROBS} can be had`)
}

/** @throws UsageError when one vector cannot be made of `ids` */
export function checkEmbedding(ids: readonly number[], info: ModelInfo): void {
  requireIds(ids, info)
  require(ids.length > 0, 'a text to embed is empty')
  if (ids.length <= info.contextTokens) return
  throw new UsageError({
    what: 'a text to embed does not fit into the context',
    why: `its ${ids.length} tokens are more than the ${info.contextTokens} of this model here`,
    next: 'Cut it into parts, or load the model with a larger context.',
  })
}

function requireIds(ids: readonly number[], info: ModelInfo): void {
  for (const id of ids) {
    const isToken = Number.isInteger(id) && id >= 0 && id < info.vocabSize
    require(isToken, `${id} is no token of this model`)
  }
}

function require(isFine: boolean, what: string): void {
  if (!isFine) throw new UsageError({ what, next: 'Ask again with a value that makes sense.' })
}
