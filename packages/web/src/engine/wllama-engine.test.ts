import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { utf8 } from '@freehold/core/bytes'
import { brokenModels } from '@freehold/core/engine/edited-models.fixture'
import { parseGguf } from '@freehold/core/engine/gguf'
import { tensorlessGguf } from '@freehold/core/engine/tensorless-gguf'
import { runPageSuites } from '../testing/run-page-suites.fixture.ts'

const ACORN = fileURLToPath(new URL('../../../../models/acorn/acorn-q8_0.gguf', import.meta.url))

const acorn = await readFile(ACORN)
const { dataOffset } = parseGguf(acorn, acorn.length)
const manifest = { sizeBytes: acorn.length, headerBytes: dataOffset }
const files: Record<string, Uint8Array | string> = {
  '/model.gguf': ACORN,
  '/tensorless.gguf': tensorlessGguf(acorn, manifest).gguf,
}
const bad: Record<string, string> = { 'a missing file': '/nothing.gguf' }
for (const [index, [what, bytes]] of Object.entries(brokenModels(acorn)).entries()) {
  const path = `/bad-${index}.gguf`
  bad[what] = path
  files[path] = bytes
}
files['/bad-models'] = utf8(JSON.stringify(bad))

await runPageSuites({ entry: new URL('wllama-engine.page.ts', import.meta.url), files })
