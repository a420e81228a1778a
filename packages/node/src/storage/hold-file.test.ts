import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { holdFile } from './hold-file.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-hold-'))
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('holdFile', () => {
  it('default: one holder at a time, the next one once it lets go', async () => {
    const path = join(folder, 'new', 'one.lock')
    const first = await holdFile(path)
    const waits = Promise.withResolvers<void>()
    let isHeld = false
    const second = holdFile(path, { onWait: waits.resolve }).then((held) => {
      isHeld = true
      return held
    })
    await waits.promise
    expect(isHeld).toBe(false)
    first[Symbol.dispose]()
    ;(await second)[Symbol.dispose]()
    expect(isHeld).toBe(true)
  })

  it('behaviour: a process that is killed lets go', async () => {
    const path = join(folder, 'two.lock')
    const module = pathToFileURL(join(import.meta.dirname, 'hold-file.ts')).href
    const script = `const { holdFile } = await import(${JSON.stringify(module)})
      globalThis.held = await holdFile(${JSON.stringify(path)})
      console.log('held')
      setInterval(() => {}, 1e6)`
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script])
    await once(child.stdout, 'data')
    const waits = Promise.withResolvers<void>()
    const held = holdFile(path, { onWait: waits.resolve })
    await waits.promise
    child.kill('SIGKILL')
    await once(child, 'close')
    ;(await held)[Symbol.dispose]()
  })

  it('behaviour: waiting ends with the signal', async () => {
    const path = join(folder, 'three.lock')
    using _held = await holdFile(path)
    const abort = new AbortController()
    const waiting = holdFile(path, { onWait: () => abort.abort(), signal: abort.signal })
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
  })
})
