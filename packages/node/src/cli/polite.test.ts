import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openOwnUse, ownUseFolder } from '../power/own-use.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-polite-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const start = (args: readonly string[]) =>
  spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: { ...process.env, FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: 'correct horse battery' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

describe('freehold lend --when', { timeout: 180_000 }, () => {
  it('default: says that it does not lend while another process answers the owner', async () => {
    await once(start(['wallet', 'init', '--json']), 'close')
    const use = openOwnUse(ownUseFolder({ state: home }))
    using _answering = use.begin()
    const lender = start(['lend', '--free', '--json', '--when', 'idle', 'acorn-small'])
    try {
      for await (const line of createInterface(lender.stdout)) {
        const { event, why } = JSON.parse(line)
        if (event !== 'may-lend') continue
        expect(why).toBe('its owner is being answered')
        break
      }
    } finally {
      lender.kill('SIGTERM')
      await once(lender, 'close')
    }
  })

  it('behaviour: a condition that is none is refused', async () => {
    const child = start(['lend', '--free', '--when', 'sometimes'])
    child.stderr.resume()
    expect((await once(child, 'close'))[0]).toBe(2)
  })
})
