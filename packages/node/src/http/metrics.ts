import type { ModelPool } from '../serving/model-pool.ts'

/** Counts what the device answers, for Prometheus. Never anything of what was said. */
export interface Metrics {
  request(route: string, status: number): void
  answer(model: string, end: { promptTokens: number; tokens: number; generateMs: number }): void
  /** In the text format of Prometheus. */
  text(pool: ModelPool): string
}

export function createMetrics(): Metrics {
  const counts = new Map<string, Map<string, number>>()
  const add = (name: string, labels: Record<string, string | number>, by: number) => {
    const key = labelText(labels)
    const series = counts.get(name) ?? new Map<string, number>()
    counts.set(name, series.set(key, (series.get(key) ?? 0) + by))
  }
  return {
    request: (route, status) => add('freehold_requests_total', { route, status }, 1),
    answer: (model, { promptTokens, tokens, generateMs }) => {
      add('freehold_answers_total', { model }, 1)
      add('freehold_prompt_tokens_total', { model }, promptTokens)
      add('freehold_generated_tokens_total', { model }, tokens)
      add('freehold_generate_seconds_total', { model }, generateMs / 1_000)
    },
    text: (pool) => {
      const lines: string[] = []
      for (const [name, series] of counts) {
        lines.push(`# TYPE ${name} counter`)
        for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`)
      }
      const gauges = { freehold_running: 'running', freehold_waiting: 'waiting' } as const
      for (const [name, field] of Object.entries(gauges)) {
        lines.push(`# TYPE ${name} gauge`)
        for (const row of pool.rows()) {
          lines.push(`${name}${labelText({ model: row.name })} ${row[field]}`)
        }
      }
      return `${lines.join('\n')}\n`
    },
  }
}

function labelText(labels: Record<string, string | number>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, '_')}"`,
  )
  return `{${pairs.join(',')}}`
}
