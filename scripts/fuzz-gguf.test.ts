import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('./fuzz-gguf.ts', import.meta.url))

it('default: mutated files end with a sound load or a clear error, and the engine goes on', async () => {
  const args = ['--inputs', '2000', '--engine', '25', '--seed', '4']
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args])
  const { headers, engine } = JSON.parse(stdout.trim())
  expect(headers).toMatchObject({ inputs: 2_000, crashes: 0 })
  expect(headers.accepted + headers.refused).toBe(2_000)
  expect(engine).toMatchObject({ inputs: 25, crashes: 0, slow: 0 })
  expect(engine.sound + engine.refused + engine.died).toBe(25)
}, 300_000)
