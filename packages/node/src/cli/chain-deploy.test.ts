import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, startDevChain } from '../chain/dev-chain.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let home: string
let chain: DevChain

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-deploy-'))
  chain = await startDevChain()
})
afterAll(async () => {
  await chain[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

/** Runs the program with a home of its own. @returns its status, and what it said */
async function freehold(...args: string[]) {
  const env = { ...process.env, FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: 'correct horse battery' }
  const run = promisify(execFile)(process.execPath, ['--no-warnings', MAIN, ...args], { env })
  return run.then(
    ({ stdout }) => ({ code: 0, json: JSON.parse(stdout), stderr: '' }),
    ({ code, stderr }) => ({ code, json: null, stderr: String(stderr) }),
  )
}

describe('freehold chain deploy', () => {
  it('default: says what it costs, refuses without coin, deploys, and finds it again', async () => {
    const { rpc, token } = chain.settings
    const deploy = ['chain', 'deploy', '--json', '--rpc', rpc, '--token', token]
    // Saying what it costs takes no keys.
    const planned = await freehold(...deploy, '--dry-run')
    expect(planned.json).toMatchObject({ isDeployed: false, transaction: null, chainId: 31_337 })
    expect(Number(planned.json.gas)).toBeGreaterThan(1_000_000)

    expect(await freehold(...deploy)).toMatchObject({
      stderr: expect.stringMatching(/wallet init/),
    })
    const { json: wallet } = await freehold('wallet', 'init', '--json')
    const poor = await freehold(...deploy)
    expect(poor).toMatchObject({ code: 1, stderr: expect.stringMatching(/cannot pay for it/) })
    expect(poor.stderr).toContain(wallet.account)

    await chain.fund(wallet.account, '1')
    const elsewhere = await freehold(...deploy, '--chain-id', '1')
    expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/not 1/) })
    const { json: done } = await freehold(...deploy)
    expect(done).toMatchObject({ isDeployed: true, house: planned.json.house })
    expect(done.chain).toBe(`${rpc},31337,${done.house},${token}`)
    const { json: again } = await freehold(...deploy)
    expect(again).toMatchObject({ isDeployed: true, house: done.house, transaction: null })

    // A device can use it as it is printed.
    const { json: shown } = await freehold('wallet', 'show', '--json', '--chain', done.chain)
    expect(shown).toMatchObject({ account: wallet.account, ledger: '0' })
  }, 300_000)

  it('behaviour: asks for what it must know', async () => {
    const unknown = await freehold('chain', 'deploy', '--json')
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringMatching(/--rpc URL/) })
    const wrong = await freehold('chain', 'deploy', '--token', 'DEVUSD')
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/is no address/) })
  }, 60_000)
})
