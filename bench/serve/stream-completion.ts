import { performance } from 'node:perf_hooks'

/** A server that speaks OpenAI's `/v1/completions`. */
export interface CompletionServer {
  url: string
  /** What it calls the model. */
  model: string
}

export interface StreamInit {
  prompt: readonly number[] | string
  maxTokens: number
  seed: number
}

/** One answer as its reader sees it. */
export interface SeenAnswer {
  promptTokens: number
  tokens: number
  /** From asking to the first text. */
  firstMs: number
  /** From asking to the end. */
  totalMs: number
  /** After the first token. NaN for fewer than two. */
  tokensPerSecond: number
}

/** The usual way of drawing, said to both servers, so that neither draws by defaults of its own. */
const SAMPLING = { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05 }

/** Asks for one text and reads it as it comes. */
export async function streamCompletion(
  { url, model }: CompletionServer,
  { prompt, maxTokens, seed }: StreamInit,
): Promise<SeenAnswer> {
  const startMs = performance.now()
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      prompt,
      max_tokens: maxTokens,
      seed,
      ...SAMPLING,
      stream: true,
      stream_options: { include_usage: true },
    }),
  })
  if (!response.ok || response.body === null) {
    throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  }
  let firstMs: number | undefined
  let usage: { prompt_tokens: number; completion_tokens: number } | undefined
  for await (const data of readEvents(response.body)) {
    if (data === '[DONE]') break
    const event = JSON.parse(data)
    if (event.error) throw new Error(`${url} broke off: ${JSON.stringify(event.error)}`)
    usage = event.usage ?? usage
    if (event.choices?.[0]?.text) firstMs ??= performance.now()
  }
  const endMs = performance.now()
  if (usage === undefined) throw new Error(`${url} said nothing of its usage`)
  // A text may begin with bytes that show nothing by themselves.
  firstMs ??= endMs
  const tokens = usage.completion_tokens
  return {
    promptTokens: usage.prompt_tokens,
    tokens,
    firstMs: firstMs - startMs,
    totalMs: endMs - startMs,
    tokensPerSecond: tokens < 2 ? Number.NaN : ((tokens - 1) * 1_000) / (endMs - firstMs),
  }
}

/** The data of each server-sent event. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data:')) yield line.slice(5).trim()
  }
}
