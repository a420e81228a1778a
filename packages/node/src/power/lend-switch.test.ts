import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLendSwitch } from './lend-switch.ts'

const SAID = { models: ['acorn'], addresses: ['/ip4/127.0.0.1/tcp/1'], why: null }

let state: string
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'freehold-switch-'))
})
afterEach(() => rm(state, { recursive: true, force: true }))

describe('openLendSwitch', () => {
  it('default: is on, and nobody lends', async () => {
    const lending = openLendSwitch({ state })
    expect(lending.isOff()).toBe(false)
    expect(await lending.running()).toEqual([])
  })

  it('behaviour: one process switches, another sees it', async () => {
    await openLendSwitch({ state }).set(false)
    const other = openLendSwitch({ state })
    expect(other.isOff()).toBe(true)
    await other.set(true)
    expect(openLendSwitch({ state }).isOff()).toBe(false)
  })

  it('behaviour: who lends is seen until it leaves', async () => {
    const lending = openLendSwitch({ state })
    await lending.announce(SAID)
    await lending.announce({ ...SAID, why: 'it is too hot' })
    await lending.set(false)
    const seen = [{ pid: process.pid, ...SAID, why: 'it is too hot' }]
    expect(await openLendSwitch({ state }).running()).toEqual(seen)
    await lending.leave()
    expect(await lending.running()).toEqual([])
  })

  it('behaviour: who was killed lends no more', async () => {
    const lending = openLendSwitch({ state })
    await lending.set(true)
    // No process has the number 0, nor one that is none.
    for (const name of ['0', 'x', '4194304999']) {
      await writeFile(join(state, 'lending', name), JSON.stringify(SAID))
    }
    expect(await lending.running()).toEqual([])
  })
})
