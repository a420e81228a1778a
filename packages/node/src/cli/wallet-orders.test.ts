import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { createTown, type Town, termsOn, toyEngine } from '../device/town.fixture.ts'
import { writeVaultFile } from '../storage/vault-file.ts'

const PASSPHRASE = 'correct horse battery'
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let home: string
let town: Town
let bank: Awaited<ReturnType<Town['lender']>>

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-orders-'))
  town = await createTown()
  const payment = termsOn(town.chain.settings, { relayFee: 20_000 })
  bank = await town.lender({ payment, device: { engine: toyEngine() } })
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

/** Runs the program as a shell would, with nobody at its terminal. */
async function freehold(...words: (string | { home: string })[]) {
  const args = words.filter((word) => typeof word === 'string')
  const at = words.find((word) => typeof word !== 'string')?.home ?? home
  const { rpc, chainId, house, token } = town.chain.settings
  const env = { ...process.env, FREEHOLD_HOME: at, FREEHOLD_PASSPHRASE: PASSPHRASE }
  const all = ['--no-warnings', MAIN, ...args, '--chain', [rpc, chainId, house, token].join(',')]
  const run = promisify(execFile)(process.execPath, all, { env })
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stderr }) => ({ code, stdout: '{}', stderr: String(stderr) }),
  )
}
const json = async (...args: string[]) => {
  const { stdout, stderr } = await freehold(...args, '--json')
  return { ...JSON.parse(stdout), stderr }
}

describe('freehold wallet, without native coin', () => {
  it('default: opens, tops up, leaves and withdraws, each fee shown before and after', async () => {
    const { account } = await json('wallet', 'init')
    await town.chain.mint(account, 5_000_000n)
    const to = privateKeyToAccount(generatePrivateKey()).address
    const nobody = await freehold('wallet', 'withdraw', '5', to)
    const empty = /too little for it: 5 token units were asked for, and 0 are there/
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringMatching(empty) })
    const much = await freehold('wallet', 'deposit', '5000001')
    const poor = /holds 5000000 token units: 5000001 are to be deposited/
    expect(much).toMatchObject({ code: 1, stderr: expect.stringMatching(poor) })
    const unmet = await freehold('wallet', 'deposit', '5')
    expect(unmet).toMatchObject({ code: 1, stderr: expect.stringMatching(/no native coin/) })

    const address = bank.lending.addresses()[0]!
    const unasked = await freehold('wallet', 'open', address, '1000000')
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringMatching(/20000.*--yes/) })
    const tooDear = await freehold('wallet', 'open', address, '1000000', '--max-fee', '19999')
    expect(tooDear).toMatchObject({ code: 1, stderr: expect.stringMatching(/not agreed to/) })
    const opened = await json('wallet', 'open', address, '1000000', '--yes')
    expect(opened).toMatchObject({ deposit: '1000000', fee: '20000' })
    expect(opened.stderr).toMatch(/submits it for 20000 token units/)
    const { channel } = opened
    const added = await json('wallet', 'top-up', channel.slice(0, 14), '300000', '--yes')
    expect(added).toMatchObject({ kind: 'topUpFromWallet', fee: '20000', deposit: '1300000' })

    const asked = await json('wallet', 'close', channel)
    expect(asked).toMatchObject({ kind: 'requestClose', fee: '0', status: 'exiting' })
    await town.chain.advance(172_801)
    const ended = await json('wallet', 'close', channel)
    expect(ended).toMatchObject({ kind: 'finalizeClose', fee: '0', status: 'closed' })

    expect((await freehold('wallet', 'withdraw', 'all', to)).stderr).toMatch(/20000.*--yes/)
    const away = await json('wallet', 'withdraw', 'all', to, '--yes', '--relay', address)
    expect(away).toMatchObject({ kind: 'withdraw', fee: '20000', to })
    expect(away.transaction).toMatch(/^0x[0-9a-f]{64}$/)
    expect((await town.look.balances(to)).wallet).toBe(1_280_000n)

    const shown = await json('wallet', 'show')
    expect(shown).toMatchObject({
      ...{ wallet: '3700000', ledger: '0', native: '0' },
      relayFees: { paid: '60000', earned: '0' },
    })
    expect((await freehold('wallet', 'show')).stdout).toMatch(/relayers 60000 paid, 0 earned/)
  }, 300_000)

  it('behaviour: with coin it needs nobody', async () => {
    const { account } = await json('wallet', 'show')
    await town.chain.fund(account, '1')
    const opened = await json('wallet', 'open', bank.lending.addresses()[0]!, '1000000')
    expect(opened).toMatchObject({ fee: '0', deposit: '1000000' })
    const added = await json('wallet', 'top-up', opened.channel, '7')
    expect(added).toMatchObject({ kind: 'topUpFromWallet', fee: '0', relayer: null })
    expect(added.deposit).toBe('1000007')
    const asked = await json('wallet', 'close', opened.channel)
    expect(asked).toMatchObject({ kind: 'requestClose', fee: '0', relayer: null })
  }, 300_000)

  it('behaviour: deposits into the ledger, which the next channel is opened from', async () => {
    const { account, ...before } = await json('wallet', 'show')
    await town.chain.mint(account, 1_000_000n)
    const done = await json('wallet', 'deposit', '400000')
    const ledger = String(BigInt(before.ledger) + 400_000n)
    expect(done).toMatchObject({ kind: 'depositFromWallet', amount: '400000', fee: '0', ledger })
    const { wallet } = await json('wallet', 'show')
    await json('wallet', 'open', bank.lending.addresses()[0]!, '300000')
    expect(await json('wallet', 'show')).toMatchObject({
      ...{ wallet, ledger: String(BigInt(ledger) - 300_000n) },
    })
    const much = await freehold('wallet', 'deposit', '999999999')
    expect(much).toMatchObject({ code: 1, stderr: expect.not.stringMatching(/ at /) })
    expect((await freehold('wallet', 'deposit', '0')).code).toBe(2)
  }, 300_000)

  it('behaviour: of a deposit without coin the relayer is paid', async () => {
    const { device, home: other, phrase } = await town.inhabitant({ engine: toyEngine() })
    await device[Symbol.asyncDispose]()
    await writeVaultFile(pathsOf({ home: other }).vault, phrase, PASSPHRASE)
    const address = bank.lending.addresses()[0]!
    const at = { home: other }
    const all = ['wallet', 'deposit', '400000', '--relay', address]
    expect(await freehold(...all, at)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/20000.*--yes/),
    })
    const { stdout } = await freehold(...all, '--yes', '--json', at)
    expect(JSON.parse(stdout)).toMatchObject({ fee: '20000', ledger: '380000' })
  }, 300_000)
})
