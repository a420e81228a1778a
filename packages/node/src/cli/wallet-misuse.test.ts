import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, startDevChain } from '../chain/dev-chain.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const ZERO = `0x${'0'.repeat(40)}`
let home: string
let chain: DevChain
let there: string[]

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-misuse-'))
  chain = await startDevChain()
  const { rpc, chainId, house, token } = chain.settings
  there = ['--chain', [rpc, chainId, house, token].join(',')]
  const { account } = JSON.parse((await freehold('wallet', 'init', '--json')).stdout)
  await chain.fund(account, '1')
  await chain.mint(account, 1_000n)
})
afterAll(async () => {
  await chain[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

async function freehold(...args: string[]) {
  return freeholdAs('correct horse battery', ...args)
}

async function freeholdAs(passphrase: string, ...args: string[]) {
  const env = { ...process.env, FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: passphrase }
  const run = promisify(execFile)(process.execPath, ['--no-warnings', MAIN, ...args], { env })
  return run.then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    ({ code, stderr }) => ({ code, stdout: '', stderr: String(stderr) }),
  )
}

/** One sentence or two, on one line. */
async function says(code: number, words: RegExp, ...args: string[]) {
  const said = await freehold(...args)
  expect(said).toMatchObject({ code, stderr: expect.stringMatching(words) })
  expect(said.stderr.trim()).not.toMatch(/\n|\.\./)
}

describe('freehold wallet, used badly', () => {
  it.each(['0', '-5', '1.5', '1e3', String(2n ** 120n), '9'.repeat(100)])(
    'behaviour: %s is no amount',
    (amount) => says(2, /is no amount.+below 2\^120/, 'wallet', 'deposit', '--', amount),
  )

  it('behaviour: an address is checked before anything is opened', () =>
    says(2, /"0x12" is no address.+40 hexadecimal/, 'wallet', 'withdraw', '5', '0x12'))

  it('behaviour: what there is too little for, and what the contract refuses, says why', async () => {
    await says(1, /holds 1000 token units: 2000 are/, 'wallet', 'deposit', '2000', ...there)
    await says(1, /5 token units were asked for, and 0 are/, 'wallet', 'withdraw', '5', ...there)
    await freehold('wallet', 'deposit', '10', ...there)
    await says(1, /InvalidRecipient.+another/, 'wallet', 'withdraw', '5', ZERO, ...there)
  })

  it('behaviour: recovering begins at any block, and says whom it could not ask', async () => {
    expect(await freehold('wallet', 'recover', '--from-block', '0', ...there)).toMatchObject({
      code: 0,
    })
    await says(2, /a whole number above 0/, 'wallet', 'recover', '--from-block', '-1')
    const said = await freehold('wallet', 'recover', 'nonsense', ...there)
    expect(said).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/nonsense was not asked: .+/),
    })
  })

  it('behaviour: what is old is a time that ends', () =>
    says(2, /It is like 30m or 24h/, 'chain', 'watch', 'vouchers.json', '--max-age', '-3'))

  it('behaviour: a wrong passphrase says what is left to do', async () =>
    expect(await freeholdAs('x', 'wallet', 'show', ...there)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/passphrase is wrong.+the owner phrase makes a new vault/),
    }))

  it.each([['deposit', '5'], ['settle'], ['set-off']])(
    'behaviour: %s without a chain says how to name one',
    (...args) => says(1, /no chain to clear on. Name one/, 'wallet', ...args),
  )

  it('behaviour: a node that is not there is said in a sentence', () =>
    says(
      1,
      /cannot be asked: HTTP request failed. Answers/,
      ...['wallet', 'deposit', '5', '--chain', `http://127.0.0.1:9,1,${ZERO},${ZERO}`],
    ))

  it.each([
    '{"vouchers":null}',
    '{"vouchers":[{"id":"0x1","cumulative":"5","owedSinceMs":1}]}',
    'nonsense',
  ])('behaviour: %s holds no vouchers', async (text) => {
    const file = join(home, 'vouchers.json')
    await writeFile(file, text)
    await says(2, /no vouchers: .+wallet vouchers/, 'chain', 'watch', '--once', file, ...there)
  })

  it('behaviour: a chain is named by a URL, and a channel by its beginning', async () => {
    const token = ['--token', String(chain.settings.token)]
    await says(2, /"nonsense" is no URL/, 'chain', 'deploy', '--rpc', 'nonsense', ...token)
    await says(1, /failed\. /, 'chain', 'deploy', '--rpc', 'http://127.0.0.1:9', ...token)
    await says(
      2,
      /See freehold wallet channels/,
      'wallet',
      'close',
      `0x${'ab'.repeat(32)}`,
      ...there,
    )
  })

  it('behaviour: a ledger is either CSV or JSON', () =>
    says(2, /cannot be used with/, 'ledger', '--csv', '--json'))
})
