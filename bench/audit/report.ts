import { cellWeights, meanWeight } from '../../packages/core/src/audit/calibration.ts'
import type { AuditConditions, ModelReport } from '../audit.ts'
import { type Catching, MAX_TOKENS } from './catching.ts'
import type { HonestPair } from './honest-pair.ts'

/** docs/audits.md: what the figures are, for people. */
export function renderPage(reports: readonly ModelReport[], conditions: AuditConditions): string {
  const { cpu, cores, system, tokensPerAudit, auditsPerPair } = conditions
  return `# What audits find

Made by \`npm run bench -- audit --write\`; do not edit. Measured on ${cpu}, ${cores} cores, ${system}; questions at
temperature 1 that no table was made from; audits of ${tokensPerAudit} tokens, the least that a verdict is given on.

An honest lender and its auditor compute the same numbers with other rounding: other instruction sets, one token at a time or all
at once, alone or in a batch, natively or in WebAssembly. Lenders read the answers' texts token by token, auditors all at once; dice were then thrown over
the logits until each pair had at least ${auditsPerPair} audits. A **margin** is how far a token's score was behind the auditor's own choice, in logits.

The entropy is the mean over the texts, at temperature 1 and over the top 64 candidates: where there is no choice, an audit can tell nothing.

${row('model', 'entropy, nats a token', 'questions', 'honest audits', 'that failed', 'pairs whose pool failed')}
${row('---', '---:', '---:', '---:', '---:', '---:')}
${reports.map(renderSummary).join('\n')}

The model called synthetic has 24 M random weights: it says nothing, but has the choice of a real model in every token. Its tables were made
in the same run, from other prompts. Pools are judged as those of one lender: all audits of a pair, and all ends of text, one after the other.

![Audited tokens until a cheat is found out](audits.svg)

${reports.map(renderModel).join('\n\n')}

## How to read this

${renderReading(reports)}

Text that a model knows by heart carries no evidence at all. The early stops end half-way through a text, with the likeliest end there: only
that one token shows it, so it takes a few answers of one lender, not one. \`npm run bench -- audit --json\` has every pair by itself.
`
}

function renderSummary({ model, entropyNats, questions, pairs }: ModelReport): string {
  const sum = (of: (pair: HonestPair) => number) =>
    pairs.reduce((total, pair) => total + of(pair), 0)
  return row(
    model,
    entropyNats.toFixed(2),
    questions,
    sum((pair) => pair.audits),
    sum((pair) => pair.falseAlarms),
    `${sum((pair) => Number(pair.isPoolFailed))} of ${pairs.length}`,
  )
}

function renderModel({ model, tables, pairs, cheats }: ModelReport): string {
  return `## ${model}

### Ways to cheat

${row('way', 'median tokens until fail', '99 in 100', 'answers for that', 'tokens that differ, %', 'mean clipped margin')}
${row('---', '---:', '---:', '---:', '---:', '---:')}
${cheats.map(renderCheat).join('\n')}

### Tables

${tables.map((table) => `- ${table.auditorBackend} audits ${table.lenderBackend}: ${table.conditions}.`).join('\n')}

Nats that one token adds to the ratio, by way to cheat: on average from a lender that cheats so / from an honest one.

${row('way', ...tables.map(({ auditorBackend }) => `${auditorBackend} audits`))}
${row('---', ...tables.map(() => '---:'))}
${renderScales(tables)}

### Honest pairs

In each cell: tokens that differ, in per cent, and the mean clipped margin of the worst audit. Of several auditors the worst.

${renderHonest(pairs)}`
}

function renderCheat(cheat: Catching): string {
  const { kind, tokensMedian, tokens99, answers99, mismatchPercent, meanClippedMargin } = cheat
  const tokens = (count: number | null) => (count === null ? `over ${MAX_TOKENS}` : String(count))
  return row(
    kind,
    tokens(tokensMedian),
    tokens(tokens99),
    answers99 ?? '-',
    mismatchPercent.toFixed(1),
    meanClippedMargin.toFixed(4),
  )
}

function renderScales(tables: ModelReport['tables']): string {
  const kinds = new Set(
    tables.flatMap(({ cheats, leftOut }) => [...Object.keys(cheats), ...Object.keys(leftOut)]),
  )
  return [...kinds]
    .map((kind) => {
      const cells = tables.map(({ honest, cheats, leftOut }) => {
        const counts = cheats[kind]
        if (counts === undefined) return `left out: ${leftOut[kind] ?? 'not measured'}`
        const weights = cellWeights(honest, counts)
        const nats = [meanWeight(weights, counts), meanWeight(weights, honest)]
        return nats.map((value) => value.toFixed(3)).join(' / ')
      })
      return row(kind, ...cells)
    })
    .join('\n')
}

/** A lender with all auditors of one sort. */
const SORTS: readonly [name: string, has: (pair: HonestPair) => boolean][] = [
  ['itself', ({ lender, auditor }) => lender === auditor],
  ['other CPU variants', (pair) => pair.lender !== pair.auditor && !isSpecial(pair.auditor)],
  ['flash attention', ({ auditor }) => auditor.endsWith('flash attention')],
  ['WebAssembly', ({ auditor }) => auditor === 'WebAssembly'],
]

function isSpecial(auditor: string): boolean {
  return auditor === 'WebAssembly' || auditor.endsWith('flash attention')
}

function renderHonest(pairs: readonly HonestPair[]): string {
  const rows = [...new Set(pairs.map(({ lender }) => lender))].map((lender) => {
    const cells = SORTS.map(([, has]) => {
      const found = pairs.filter((pair) => pair.lender === lender && has(pair))
      if (found.length === 0) return '-'
      const differ = Math.max(...found.map((pair) => pair.mismatchPercent))
      const worst = Math.max(...found.map((pair) => pair.worstMeanClippedMargin))
      return `${differ.toFixed(2)} · ${worst.toFixed(4)}`
    })
    return row(lender, ...cells)
  })
  const names = SORTS.map(([name], i) => (i === 0 ? name : `audited by ${name}`))
  return [row('lender', ...names), row('---', ...names.map(() => '---:')), ...rows].join('\n')
}

/** Steps of the closing words: a cheat belongs to the first that its slowest model keeps. */
const STEPS: readonly [tokens: number, words: string][] = [
  [64, 'Found out within one short answer (64 tokens)'],
  [512, 'Within an answer or a few (512 tokens)'],
  [4_096, 'By many small signs (4,096 tokens)'],
  [MAX_TOKENS, 'By very many (16,384 tokens)'],
]

/** Says of each way to cheat how soon 99 of 100 lenders were found out, for the slowest model. */
function renderReading(reports: readonly ModelReport[]): string {
  const kinds = [...new Set(reports.flatMap(({ cheats }) => cheats.map(({ kind }) => kind)))]
  const slowest = new Map(
    kinds.map((kind) => {
      const each = reports.flatMap(({ cheats }) => cheats.filter((cheat) => cheat.kind === kind))
      return [kind, Math.max(...each.map(({ tokens99 }) => tokens99 ?? Infinity))]
    }),
  )
  const lines = STEPS.map(([tokens, words], i) => {
    const least = STEPS[i - 1]?.[0] ?? 0
    const found = kinds.filter((kind) => {
      const slow = slowest.get(kind) ?? Infinity
      return slow > least && slow <= tokens
    })
    return found.length === 0 ? '' : `- ${words}, in every model above: ${found.join(', ')}.`
  })
  const never = kinds.filter((kind) => slowest.get(kind) === Infinity)
  const slow = never.map((kind) => {
    const where = reports
      .filter(({ cheats }) =>
        cheats.some((cheat) => cheat.kind === kind && cheat.tokens99 === null),
      )
      .map(({ model }) => model)
    return `${kind} (${where.join(', ')})`
  })
  const last =
    never.length === 0 ? '' : `- *Not promised*, within ${MAX_TOKENS} tokens: ${slow.join('; ')}.`
  return [...lines, last].filter((line) => line !== '').join('\n')
}

function row(...cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}
