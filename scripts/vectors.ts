import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeVectors } from './vectors/make-vectors.ts'

/** Writes the golden vectors; with `--check` compares them and exits 1 when one differs. */
const ROOT = new URL('..', import.meta.url)
const isCheck = process.argv.includes('--check')
let differing = 0

for (const [name, text] of Object.entries(await makeVectors())) {
  const path = fileURLToPath(new URL(name, ROOT))
  if (!isCheck) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    console.log(`wrote ${name}`)
  } else if (readOrNothing(path) !== text) {
    console.log(`${name} differs; write it with: node scripts/vectors.ts`)
    differing++
  }
}
process.exit(differing === 0 ? 0 : 1)

function readOrNothing(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
