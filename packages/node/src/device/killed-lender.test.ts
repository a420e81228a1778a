import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { startProgram } from '../demo/processes.ts'
import { writeVaultFile } from '../storage/vault-file.ts'
import { createTown, DEPOSIT, question, rawPrice, roundUp, type Town } from './town.fixture.ts'

const PASSPHRASE = 'a test of nothing secret'
const STALL_MS = 3_000

let town: Town
let folder: string

beforeAll(async () => {
  town = await createTown()
  folder = await mkdtemp(join(tmpdir(), 'freehold-killed-'))
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** `freehold lend` in a process of its own. */
async function lendInProcess(home: string) {
  const { rpc, chainId, house, token } = town.chain.settings
  const child = startProgram(
    [
      'lend',
      'acorn',
      '--json',
      '--window',
      '16',
      '--chain',
      [rpc, chainId, house, token].join(','),
    ],
    { home, passphrase: PASSPHRASE },
  )
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  child.stdout?.resume()
  child.stderr?.resume()
  const { addresses } = JSON.parse(line) as { addresses: string[] }
  return { child, address: addresses[0]! }
}

describe('a lender whose process is killed', () => {
  it('default: is named at once, owed what it signed, and replaced by another', async () => {
    const home = join(folder, 'lender')
    const phrase = createPhrase(systemRandom)
    await writeVaultFile(pathsOf({ home }).vault, phrase, PASSPHRASE)
    await town.chain.fund((await deriveIdentity(phrase, 0)).wallet.address, '1')
    const lender = await lendInProcess(home)
    let again: Awaited<ReturnType<typeof lendInProcess>> | undefined
    try {
      const { device } = await town.inhabitant({ deadlines: { stallMs: STALL_MS } })
      const known = await device.peers.ask(lender.address)
      await device.channels.open(known, DEPOSIT)
      let killedMs = 0
      let noticedMs = 0
      const completion = await device.complete(
        question({
          maxTokens: 400,
          onBreak: () => {
            noticedMs = Date.now()
          },
          onText: () => {
            if (killedMs === 0) lender.child.kill('SIGKILL')
            killedMs ||= Date.now()
          },
        }),
      )
      expect(noticedMs - killedMs).toBeLessThan(STALL_MS + 2_000)
      expect(['lost', 'stall']).toContain(completion.record?.end)
      // What it had not said is said here.
      expect(completion).toMatchObject({
        error: null,
        parts: [{ where: 'peer' }, { where: 'here' }],
      })
      await completion.settled
      const { record } = completion
      expect(record!.tokens).toBe(record!.evidence?.signed?.count ?? 0)
      const [, channel] = (await device.tables.channels.list())[0]!
      const owed = record!.tokens === 0 ? 0n : roundUp(rawPrice(record!))
      expect(channel.cumulative).toBe(owed)

      // Somebody else serves meanwhile.
      const other = await town.lender({ payment: null })
      await device.peers.ask(other.lending.addresses()[0]!)
      const elsewhere = await device.complete(question({ maxTokens: 10 }))
      expect(elsewhere).toMatchObject({ error: null, record: { payment: 'free' } })
      await elsewhere.settled

      // Back again, it takes what is still due to it, and serves.
      again = await lendInProcess(home)
      const back = await device.peers.ask(again.address)
      const due = Object.keys(channel.undelivered).length
      expect(await device.channels.deliver(back)).toBe(due)
      const next = await device.complete(question({ maxTokens: 10, lender: record!.lender }))
      expect(next.error).toBeNull()
      await next.settled
    } finally {
      const children = [lender.child, ...(again ? [again.child] : [])]
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }
    }
  })
})
