import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peerName } from '@freehold/core/identity/peer-name'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { createTown, type Town, termsOn, toyEngine } from '../device/town.fixture.ts'
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

describe('freehold offers', () => {
  it('default: says of each offer what it comes to, and why the first is first', async () => {
    const lenders = await Promise.all(
      [null, termsOn(town.chain.settings)].map((payment) =>
        town.lender({ payment, device: { engine: toyEngine() } }),
      ),
    )
    const [free, dear] = lenders.map(({ device }) => peerName(device.identity!.device))
    const addresses = lenders.map(({ lending }) => lending.addresses()[0] ?? '')
    const { home, phrase } = await town.inhabitant({ engine: toyEngine() })
    await writeVaultFile(pathsOf({ home }).vault, phrase, PASSPHRASE)
    const { rpc, ...chain } = town.chain.settings
    const on = [rpc, chain.chainId, chain.house, chain.token].join()
    const env = { ...process.env, FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: PASSPHRASE }
    const offers = async (...args: string[]) => {
      const command = ['--no-warnings', MAIN, 'offers', '--chain', on, ...args]
      const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { env })
      return { stdout, stderr }
    }

    const { stdout } = await offers(...addresses, '--why')
    expect(stdout).toMatch(/^DEVICE +MODEL +PER MILLION +RUNG +COST +SECONDS +SCORE +NOTE$/m)
    expect(stdout).toMatch(
      new RegExp(`^${free} +toy +free +market +0 +52\\.5\\? +\\d+ +first$`, 'm'),
    )
    expect(stdout).toMatch(new RegExp(`^${dear} .*not asked: it cannot be paid now`, 'm'))
    expect(stdout).toContain(`1. ${free} is first: it is the only one that may be asked`)
    expect(stdout).toMatch(
      /It is a stranger’s device\.\n.*512 tokens cost nothing\.\n.*nobody measured/,
    )
    expect(stdout).toMatch(/Score: \(0 \+ 52\.5 s × 10\) \/ 0\.\d+ = \d+/)

    const rows = JSON.parse((await offers('toy', '--json')).stdout)
    expect(rows).toHaveLength(2)
    expect(rows).toMatchObject([
      { device: free, models: [{ name: 'toy', barred: null, costUnits: 0, samples: 0 }] },
      { device: dear, isPayable: false, models: [{ score: null, why: [] }] },
    ])
    expect((await offers('birch')).stderr).toMatch(/No known lender offers birch/)
  })
})
