/**
 * Scores Acorn on heldout.jsonl: each prompt goes through `freehold run --json`, as a user's would.
 *
 *     node models/acorn/score.ts [--only sum] [--verbose]
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** One held-out question and what a right answer must have. */
export interface HeldOutItem {
  id: string
  kind: 'freehold' | 'talk' | 'sum' | 'unit' | 'story'
  prompt: string
  /** Every group must be met, each by any one of its alternatives: whole words, upper and lower case alike. */
  expect?: string[][]
  /** The last number in the answer must be this one. */
  number?: number
  /** The answer must have at least this many words. */
  minWords?: number
}

/** The bar: this share of the held-out questions must be answered right. */
export const PASS_SHARE = 0.8

/** Whether `answer` is right for `item`. Pure: the same input gives the same verdict. */
export function isRight(item: HeldOutItem, answer: string): boolean {
  const groups = item.expect ?? []
  if (!groups.every((group) => group.some((phrase) => hasPhrase(answer, phrase)))) return false
  if (item.number !== undefined && lastNumber(answer) !== item.number) return false
  return answer.split(/\s+/).filter(Boolean).length >= (item.minWords ?? 1)
}

/** Reads the held-out set beside this file. */
export function readHeldOut(): HeldOutItem[] {
  const text = readFileSync(new URL('./heldout.jsonl', import.meta.url), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as HeldOutItem)
}

function hasPhrase(answer: string, phrase: string): boolean {
  const escaped = phrase.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![a-z0-9])${escaped}s?(?![a-z0-9])`, 'i').test(answer)
}

function lastNumber(answer: string): number | undefined {
  const found = answer
    .replace(/(\d),(?=\d{3}\b)/g, '$1')
    .match(/(?<![\w)] ?)-?\d+(?:\.\d+)?|\d+(?:\.\d+)?/g)
  const last = found?.at(-1)
  return last === undefined ? undefined : Number(last)
}

async function ask(prompt: string): Promise<string> {
  const child = spawn('npm', ['run', '-s', 'freehold', '--', 'run', '--json', prompt], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8')
  for await (const part of child.stdout) output += part
  const last = output.trim().split('\n').at(-1) ?? ''
  const { text } = JSON.parse(last) as { text?: unknown }
  if (typeof text !== 'string')
    throw new Error(`no text in the answer to ${JSON.stringify(prompt)}`)
  return text
}

async function main(): Promise<void> {
  const args = process.argv.slice(2)
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined
  const items = readHeldOut().filter((item) => only === undefined || item.kind === only)
  if (items.length === 0) throw new Error(`no held-out question is of the kind ${only}`)
  const kinds = new Map<string, { right: number; asked: number }>()
  for (const item of items) {
    const answer = await ask(item.prompt)
    const isGood = isRight(item, answer)
    const row = kinds.get(item.kind) ?? { right: 0, asked: 0 }
    kinds.set(item.kind, { right: row.right + Number(isGood), asked: row.asked + 1 })
    if (args.includes('--verbose') || !isGood) {
      console.log(
        `${isGood ? 'right' : 'WRONG'} ${item.id} ${item.prompt}\n      ${answer.replaceAll('\n', ' ')}`,
      )
    }
  }
  let right = 0
  for (const [kind, row] of kinds) {
    right += row.right
    console.log(`${kind.padEnd(10)} ${row.right} of ${row.asked}`)
  }
  const share = right / items.length
  console.log(`all        ${right} of ${items.length}, ${(share * 100).toFixed(1)} %`)
  process.exitCode = share >= PASS_SHARE ? 0 : 1
}

if (import.meta.main) await main()
