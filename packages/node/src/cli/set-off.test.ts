import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf, setOffOf } from '../config.ts'
import { createMembers, type Member, owe, rowBetween } from '../device/set-off.fixture.ts'
import { createTown, type Town } from '../device/town.fixture.ts'
import { writeVaultFile } from '../storage/vault-file.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const PASSPHRASE = 'correct horse battery staple'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

async function setOff({ home }: Member, ...args: string[]): Promise<string> {
  const { rpc, chainId, house, token } = town.chain.settings
  const chain = [rpc, chainId, house, token].join()
  const env = { ...process.env, FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: PASSPHRASE }
  const command = ['--no-warnings', MAIN, 'wallet', 'set-off', '--chain', chain, ...args]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { env })
  return stdout + stderr
}

describe('freehold wallet set-off', () => {
  it('default: shows what could be set off, sets it off, and then there is nothing', {
    timeout: 180_000,
  }, async () => {
    // A token costs enough for a ring to be worth its gas by the settings that ship.
    const prices = { prompt: 0, cached: 0, output: 50_000_000_000 }
    const terms = { prices, windowTokens: 4 }
    const [one, other] = (await createMembers(town, [{}, {}], terms)) as [Member, Member]
    await owe(one, other, 40, 4_000_000n)
    await owe(other, one, 45, 4_000_000n)
    const { home, phrase } = one
    await writeVaultFile(pathsOf({ home }).vault, phrase, PASSPHRASE)

    const dry = JSON.parse(await setOff(one, '--dry-run', '--json'))
    const ring = { amount: '2000000', gas: expect.stringMatching(/^\d{5}$/) }
    expect(dry.rings).toMatchObject([{ ...ring, result: 'found', transaction: null }])
    expect(await rowBetween(one, other, other)).toMatchObject({ settled: 0n })
    expect(await setOff(one)).toMatch(/^Set off 2000000 token units around 2 devices for \d+ gas$/m)
    await other.device.keeper!.refresh()
    expect(await rowBetween(one, other, other)).toMatchObject({ settled: 2_000_000n })
    expect(await setOff(one)).toMatch(/There is nothing to set off/)

    await writeFile(pathsOf({ home }).config, JSON.stringify({ setOff: 'off' }))
    const none = { setOff: 'off', rings: [], unanswered: [] }
    expect(JSON.parse(await setOff(one, '--json'))).toEqual(none)
  })
})

describe('setOffOf', () => {
  it('default: pairs and no friends; what else it says is checked', () => {
    const friend = '12D3KooWL8vZqKfPi1fMNwJuWu52zVaqBS1Jvpi8BPPwZeBz5BLe'
    expect(setOffOf({})).toEqual({ setOff: 'pairs', friends: [] })
    expect(setOffOf({ setOff: 'friends', friends: [friend] })).toEqual({
      setOff: 'friends',
      friends: [friend],
    })
    const bad: unknown[] = [
      { setOff: 'market' },
      { setOff: null },
      { friends: friend },
      { friends: [friend, 'Bob'] },
      { friends: [7] },
    ]
    for (const settings of bad) expect(() => setOffOf(settings as object)).toThrow(/the setting/)
  })
})
