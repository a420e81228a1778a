import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { utf8 } from '@freehold/core/bytes'
import { brokenModels } from '@freehold/core/engine/broken-models.fixture'
import { runPageSuites } from '../testing/run-page-suites.fixture.ts'

const ACORN = fileURLToPath(new URL('../../../../models/acorn/acorn-q8_0.gguf', import.meta.url))

const files: Record<string, Uint8Array | string> = { '/model.gguf': ACORN }
const bad: Record<string, string> = { 'a missing file': '/nothing.gguf' }
for (const [index, [what, bytes]] of Object.entries(
  brokenModels(await readFile(ACORN)),
).entries()) {
  const path = `/bad-${index}.gguf`
  bad[what] = path
  files[path] = bytes
}
files['/bad-models'] = utf8(JSON.stringify(bad))

await runPageSuites({ entry: new URL('wllama-engine.page.ts', import.meta.url), files })
