// Writes abi/*.ts from a clean build of the contracts, so that TypeScript gets types and bytecode without
// a compiler. `--check` writes nothing and fails if the committed bytes differ: who has the sources can
// see that what is deployed is what they say.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

interface Artifact {
  abi: Json[]
  bytecode: { object: string }
  deployedBytecode: { object: string }
}

const contracts = [
  { name: 'ClearingHouse', variable: 'clearingHouse', file: 'clearing-house.ts' },
  { name: 'DevToken', variable: 'devToken', file: 'dev-token.ts' },
]

/** What a chain takes at most (EIP-170). */
const MAX_BYTES = 24_576

const root = import.meta.dirname

const build = (out: string): void => {
  const args = ['build', 'src', '--force', '--out', out, '--cache-path', join(out, 'cache')]
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'bin', 'forge'), ...args],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`forge build failed:\n${stdout}${stderr}`)
}

// internalType names Solidity's types and is no use to a caller.
const strip = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(strip)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'internalType')
      .map(([key, member]) => [key, strip(member)]),
  )
}

const print = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(print).join(', ')}]`
  if (typeof value === 'string') return `'${value}'`
  if (value === null || typeof value !== 'object') return String(value)
  const members = Object.entries(value).map(([key, member]) => `${key}: ${print(member)}`)
  return `{ ${members.join(', ')} }`
}

const render = (name: string, variable: string, { abi, bytecode }: Artifact): string => `\
// Generated from src/${name}.sol by generate.ts; do not edit.

export const ${variable}Abi = [
${abi.map((entry) => `  ${print(strip(entry))},\n`).join('')}] as const

export const ${variable}Bytecode =
  '${bytecode.object}' as const
`

const isCheck = process.argv.includes('--check')
const out = mkdtempSync(join(tmpdir(), 'freehold-contracts-'))
try {
  build(out)
  for (const { name, variable, file } of contracts) {
    const artifact = JSON.parse(readFileSync(join(out, `${name}.sol`, `${name}.json`), 'utf8'))
    const text = render(name, variable, artifact)
    const bytes = (artifact.deployedBytecode.object.length - 2) / 2
    console.log(`note: ${name} has ${bytes} of ${MAX_BYTES} bytes`)
    if (bytes > MAX_BYTES) throw new Error(`${name} is too large to be deployed`)
    const path = join(root, 'abi', file)
    if (!isCheck) {
      writeFileSync(path, text)
    } else if (readOrEmpty(path) !== text) {
      console.error(`abi/${file} is not what src/${name}.sol builds to: run generate.ts`)
      process.exitCode = 1
    }
  }
} finally {
  rmSync(out, { recursive: true })
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
