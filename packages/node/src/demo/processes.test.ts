import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { writeVaultFile } from '../storage/vault-file.ts'

const PASSPHRASE = 'a test of nothing secret'
let home: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-processes-'))
  await writeVaultFile(pathsOf({ home }).vault, createPhrase(systemRandom), PASSPHRASE)
})
afterAll(async () => {
  await rm(home, { recursive: true, force: true })
})

/** Runs a program that starts others. @returns it, and the number that it says */
async function start(script: string): Promise<{ program: ChildProcess; number: number }> {
  const program = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const [line] = (await once(createInterface({ input: program.stdout }), 'line')) as [string]
  return { program, number: Number(line) }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return isOpen
}

async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function ends(isThere: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + 30_000
  while (Date.now() < deadline) {
    if (!(await isThere())) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)

describe('processes of a program that is killed', () => {
  it('default: its lenders end with it', { timeout: 120_000 }, async () => {
    const init = JSON.stringify({ home, passphrase: PASSPHRASE })
    const { program, number } = await start(`
      const { startLender } = await import(${url('./processes.ts')})
      const lender = await startLender(['lend', 'acorn', '--free', '--json'], ${init})
      console.log(lender.pid)
    `)
    expect(await isRunning(number)).toBe(true)
    program.kill('SIGKILL')
    expect(await ends(() => isRunning(number))).toBe(true)
  })

  it('behaviour: its development chain ends with it', { timeout: 120_000 }, async () => {
    const { program, number } = await start(`
      const { startDevChain } = await import(${url('../chain/dev-chain.ts')})
      const chain = await startDevChain()
      console.log(new URL(chain.settings.rpc).port)
    `)
    expect(await isListening(number)).toBe(true)
    program.kill('SIGKILL')
    expect(await ends(() => isListening(number))).toBe(true)
  })
})
