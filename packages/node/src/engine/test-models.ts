/** Models for tests: the bundled one, and ways to break it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The bundled model. */
export const ACORN = fileURLToPath(
  new URL('../../../../models/acorn/acorn-q8_0.gguf', import.meta.url),
)

/** A folder for broken models; disposing removes it. */
export interface BrokenModels extends AsyncDisposable {
  /** Writes what `edit` makes of the bundled model. @returns the path of the copy */
  make(name: string, edit: (bytes: Buffer<ArrayBuffer>) => Uint8Array): Promise<string>
}

/** Creates the folder. */
export async function createBrokenModels(): Promise<BrokenModels> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-test-'))
  const acorn = await readFile(ACORN)
  return {
    async make(name, edit) {
      const bytes = Buffer.from(acorn)
      const path = join(folder, `${name}.gguf`)
      await writeFile(path, edit(bytes))
      return path
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true })
    },
  }
}
