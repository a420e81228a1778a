import type { AuditConditions, ModelReport } from '../audit.ts'
import { type Catching, MAX_TOKENS } from './catching.ts'

/** docs/audits.md: what the figures are, for people. */
export function renderPage(reports: readonly ModelReport[], conditions: AuditConditions): string {
  const { cpu, cores, system, tokensPerAudit, auditsPerPair, questions } = conditions
  return `# What audits find

Made by \`npm run bench -- audit --write\`; do not edit. Measured on ${cpu}, ${cores} cores, ${system}; ${questions} questions at
temperature 1 that no table was made from; audits of ${tokensPerAudit} tokens, the least that a verdict is given on.

An honest lender and its auditor compute the same numbers with other rounding: other instruction sets, one token at a time or all
at once, alone or in a batch. Lenders read the answers' texts token by token, auditors all at once; dice were then thrown over
the logits until each pair had at least ${auditsPerPair} audits. A **margin** is how far a token's score was behind the auditor's own choice, in logits.

![Audited tokens until a cheat is found out](audits.svg)

${reports.map(renderModel).join('\n\n')}

How to read this: a lender that ignores the seed or replays an old answer is found out within one short answer; one that cuts the prompt, edits
tokens or drops them within a few hundred tokens. A coarser quantisation is found out by many small signs, so it takes more tokens, and a fine one stays within honest rounding: it
is *not promised* that Q5 in place of Q8_0 is noticed. Text that a model knows by heart carries no evidence at all. An early stop shows in its last token alone, which these
tables do not convict for; and a system prompt that changes nothing in what a model says cannot be noticed (Acorn hardly heeds one).
`
}

function renderModel({ model, table, pairs, cheats }: ModelReport): string {
  const sum = (of: (pair: ModelReport['pairs'][number]) => number) =>
    pairs.reduce((total, pair) => total + of(pair), 0)
  const rows = pairs.map((pair) =>
    row(
      pair.lender,
      pair.auditor,
      pair.audits,
      pair.falseAlarms,
      pair.isPoolFailed ? 'fail' : 'ok',
      pair.mismatchPercent.toFixed(2),
      pair.meanClippedMargin.toFixed(5),
      pair.worstMeanClippedMargin.toFixed(4),
      pair.marginP99.toFixed(3),
      pair.marginMax.toFixed(3),
    ),
  )
  return `## ${model}

Table: ${table}.

### Ways to cheat

${row('way', 'median tokens until fail', '99 in 100', 'tokens that differ, %', 'mean clipped margin')}
${row('---', '---:', '---:', '---:', '---:')}
${cheats.map(renderCheat).join('\n')}

### Honest pairs

${sum((pair) => pair.falseAlarms)} of ${sum((pair) => pair.audits)} audits failed.

${row('lender', 'auditor', 'audits', 'false alarms', 'pool', 'tokens that differ, %', 'mean clipped margin', 'worst audit', 'margin p99', 'margin max')}
${row('---', '---', '---:', '---:', '---', '---:', '---:', '---:', '---:', '---:')}
${rows.join('\n')}`
}

function renderCheat(cheat: Catching): string {
  const { kind, tokensMedian, tokens99, mismatchPercent, meanClippedMargin } = cheat
  const tokens = (count: number | null) => (count === null ? `over ${MAX_TOKENS}` : String(count))
  return row(
    kind,
    tokens(tokensMedian),
    tokens(tokens99),
    mismatchPercent.toFixed(1),
    meanClippedMargin.toFixed(4),
  )
}

function row(...cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

const WIDTH = 720
const LEFT = 170
const BAR = 14
/** Tokens at the left edge of the chart; each doubling takes the same width. */
const LEAST = 16

/** docs/audits.svg: tokens until 99 of 100 cheating lenders were found out, on a logarithmic scale. */
export function renderChart(reports: readonly ModelReport[]): string {
  const scale = (tokens: number) =>
    ((WIDTH - LEFT - 90) * Math.log2(tokens / LEAST)) / Math.log2(MAX_TOKENS / LEAST)
  const parts: string[] = []
  let y = 24
  for (const { model, cheats } of reports) {
    parts.push(`<text x="8" y="${y}" font-weight="bold">${escapeXml(model)}</text>`)
    y += 10
    for (const { kind, tokens99 } of cheats) {
      const width = scale(tokens99 ?? MAX_TOKENS)
      const label = tokens99 === null ? `over ${MAX_TOKENS}` : String(tokens99)
      parts.push(
        `<text x="${LEFT - 8}" y="${y + BAR - 3}" text-anchor="end">${escapeXml(kind)}</text>`,
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${tokens99 === null ? '#b9b2a6' : '#6b8f3d'}"/>`,
        `<text x="${(LEFT + width + 5).toFixed(1)}" y="${y + BAR - 3}">${label}</text>`,
      )
      y += BAR + 5
    }
    y += 24
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12" fill="#222">
<title>Audited tokens until 99 of 100 cheating lenders were found out, logarithmic</title>
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>
`
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
