import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findResident, type Resident, takeResidence } from './resident.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-resident-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const NOTE = {
  url: 'http://127.0.0.1:9',
  token: 't',
  version: '1',
  models: '',
  isBackground: false,
  keepsTexts: true,
  addresses: [],
}
const self = (): Resident => ({ pid: process.pid, ...NOTE })

describe('takeResidence', () => {
  it('default: one process serves, and others find it', async () => {
    expect(await findResident(folder)).toBeNull()
    const residence = await takeResidence(folder)
    await residence.announce(self())
    expect(await findResident(folder)).toEqual(self())
    await expect(takeResidence(folder)).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringContaining(`process ${process.pid} is at http://127.0.0.1:9`),
    })
    await residence[Symbol.asyncDispose]()
    expect(await findResident(folder)).toBeNull()
    await using _again = await takeResidence(folder)
  })

  it('behaviour: who only looks is in nobody’s way', async () => {
    const module = fileURLToPath(new URL('./resident.ts', import.meta.url))
    const script = `
      import { findResident } from ${JSON.stringify(module)}
      process.stdout.write('here')
      for (;;) await findResident(${JSON.stringify(folder)})`
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      await once(child.stdout, 'data')
      for (let time = 0; time < 5; time++) {
        await using _residence = await takeResidence(folder)
      }
    } finally {
      child.kill('SIGKILL')
      await once(child, 'close')
    }
  })

  it('behaviour: the token in the note is for this person alone', async () => {
    await using residence = await takeResidence(folder)
    await residence.announce(self())
    const { mode } = await stat(join(folder, 'serving.json'))
    if (process.platform !== 'win32') expect(mode & 0o077).toBe(0)
  })

  it('behaviour: what a killed process left is known to be stale', async () => {
    const module = fileURLToPath(new URL('./resident.ts', import.meta.url))
    const script = `
      import { takeResidence } from ${JSON.stringify(module)}
      const residence = await takeResidence(${JSON.stringify(folder)})
      await residence.announce({ pid: process.pid, ...${JSON.stringify(NOTE)} })
      process.stdout.write('here')
      setInterval(() => {}, 1e6)`
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    expect(await findResident(folder)).toMatchObject({ pid: child.pid })
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(await readFile(join(folder, 'serving.json'), 'utf8')).toContain(String(child.pid))
    expect(await findResident(folder)).toBeNull()
    // Nor does it pass for the next one's, which has not yet said where it is.
    await using _residence = await takeResidence(folder)
    expect(await findResident(folder)).toBeNull()
  })
})
