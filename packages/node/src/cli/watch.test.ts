import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import {
  accountOf,
  befriend,
  createTown,
  type Inhabitant,
  question,
  type Town,
  toyEngine,
} from '../device/town.fixture.ts'
import { writeVaultFile } from '../storage/vault-file.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const PASSPHRASE = 'correct horse battery staple'
let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

async function freehold({ home }: Inhabitant, ...args: string[]) {
  const env = { ...process.env, FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: PASSPHRASE }
  return promisify(execFile)(process.execPath, ['--no-warnings', MAIN, ...args], { env })
}

describe('freehold wallet vouchers and chain watch', () => {
  it('default: what one prints the other settles, once somebody leaves', {
    timeout: 300_000,
  }, async () => {
    const lender = await town.lender({ device: { engine: toyEngine() } })
    const borrower = await town.inhabitant({ engine: toyEngine() })
    const watcher = await town.inhabitant({ engine: toyEngine() })
    for (const { device } of [borrower, watcher]) await town.chain.fund(accountOf(device), '1')
    await writeVaultFile(pathsOf(watcher).vault, watcher.phrase, PASSPHRASE)
    const { channel } = await befriend(borrower.device, lender.lending)
    await (await borrower.device.complete(question())).settled
    await borrower.device.borrowing.idle()

    const { stdout } = await freehold(lender, 'wallet', 'vouchers')
    const { vouchers } = JSON.parse(stdout)
    const { cumulative } = (await lender.device.tables.channels.get(channel.id)) ?? {}
    expect(vouchers).toMatchObject([{ id: channel.id, cumulative: `${cumulative}` }])
    const file = join(watcher.home, 'vouchers.json')
    await writeFile(file, stdout)

    const { rpc, chainId, house, token } = town.chain.settings
    const chain = [rpc, chainId, house, token].join()
    const watch = (...more: string[]) =>
      freehold(watcher, 'chain', 'watch', file, '--once', '--chain', chain, ...more)
    expect((await watch()).stderr).toMatch(/Nobody leaves a channel/)
    expect((await watch('--max-age', '6h')).stderr).toMatch(/and nothing is old/)
    await borrower.device.channels.leave(channel.id)
    expect((await watch()).stderr).toMatch(/Settled 1 voucher in 0x[0-9a-f]{64}/)
    expect((await lender.device.balances()).ledger).toBe(cumulative)

    await writeFile(file, '{"vouchers":7}')
    await expect(watch()).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /vouchers\.json holds no vouchers: vouchers: .*array.*prints them/,
      ),
    })
    const cut = vouchers.map(({ signature, ...rest }: { signature: string }) => ({
      ...rest,
      signature: signature.slice(0, -2),
    }))
    await writeFile(file, JSON.stringify({ vouchers: cut }))
    await expect(watch()).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/vouchers\.0\.signature/),
    })
    await rm(file)
    await expect(watch()).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/vouchers\.json cannot be read: ENOENT/),
    })
  })
})
