/** Devices at some distance, on lines that lose frames and are slow, in network namespaces: `npm run netns`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { concat, toHex } from '@freehold/core/bytes'
import { smallGguf } from '@freehold/core/engine/small-gguf.fixture'
import { DEFAULT_DEADLINES } from '@freehold/core/lending/deadlines'
import { CHUNK_BYTES } from '@freehold/core/wire/manifest'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { nativeSha256 } from '../../packages/node/src/models/pull-from-peers.ts'
import { whyNot } from './commands.ts'
import { createInternet, type Host, type Internet } from './internet.ts'
import type { DeviceSettings } from './orders.ts'
import type { LineKind } from './slow-line.ts'
import { type RunningDevice, startDevice } from './start-device.ts'

const PROBE = fileURLToPath(new URL('probe-process.ts', import.meta.url))
const PORT = 4217
const START_MS = 120_000
const why = whyNot()

/** A home far away: 80 ms there and back, one frame in a hundred lost each way, 4 Mbit/s. */
const FAR: LineKind = { onewayMs: 40, loss: 0.01, bytesPerSecond: 500_000 }

describe.skipIf(why !== null)(`a line that is slow${why === null ? '' : ` (${why})`}`, () => {
  let internet: Internet
  let folder: string
  const children: ChildProcess[] = []
  const devices: RunningDevice[] = []

  beforeAll(async () => {
    internet = await createInternet()
    folder = await mkdtemp(join(tmpdir(), 'freehold-line-'))
  })
  afterAll(async () => {
    for (const device of devices) await device[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
    for (const child of children) {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    await internet?.[Symbol.asyncDispose]()
  })

  async function probe({ namespace }: Host, ...args: string[]): Promise<unknown> {
    const command = ['netns', 'exec', namespace, process.execPath, '--no-warnings', PROBE]
    const child = spawn('ip', [...command, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    children.push(child)
    return (await once(child, 'message'))[0]
  }

  it('default: frames come as late, as seldom and as slowly as it is said', async () => {
    const [near, far] = [await internet.host(), await internet.host(FAR)]
    await probe(far, 'echo', String(PORT))
    const line = await probe(near, 'ask', far.address, String(PORT))
    const { rttMs, lost, bytesPerSecond } = line as Record<string, number>
    expect(rttMs).toBeGreaterThanOrEqual(80)
    expect(rttMs).toBeLessThan(95)
    // Lost on the way there or back: two in a hundred, of four hundred.
    expect(lost).toBeGreaterThan(0)
    expect(lost).toBeLessThan(0.06)
    expect(bytesPerSecond).toBeLessThan(510_000)
    expect(bytesPerSecond).toBeGreaterThan(50_000)
  })

  const start = async (host: Host, changes: Partial<DeviceSettings> = {}) => {
    const listen = changes.lends ? [`/ip4/0.0.0.0/tcp/${PORT}`] : []
    const init = { name: 'device', listen, lends: false, reach: {}, ...changes }
    const device = await startDevice(host, init)
    devices.push(device)
    return device
  }
  const placeOf = async (device: RunningDevice, host: Host) => {
    const { addresses = [], device: key = '' } = await device.tell({ do: 'addresses' })
    const address = addresses.find((one) => one.startsWith(`/ip4/${host.address}/`))
    if (address === undefined) throw new Error(`it says ${addresses.join(' ')}`)
    return { address, key }
  }

  it('behaviour: answers come whole from far away, and no deadline gives a lender up that is well', {
    timeout: START_MS,
  }, async () => {
    const [near, far] = [await internet.host(), await internet.host(FAR)]
    // Reading takes longer than silence may: what shows life is the lender's word.
    const prompt = 'a letter is a token here, and the lender takes 40 ms for each of them'
    const lender = await start(far, { lends: true, tokenMs: 40 })
    const borrower = await start(near, { deadlines: 'usual' })
    const { address, key } = await placeOf(lender, far)
    await borrower.tell({ do: 'ask', address })
    for (let i = 0; i < 4; i++) {
      const answer = await borrower.tell({ do: 'borrow', lender: key, tokens: 48, prompt })
      expect(answer).toMatchObject({ tokens: 48, breaks: [] })
      expect(answer.firstTokenMs).toBeGreaterThan(DEFAULT_DEADLINES.silenceMs)
    }
  })

  it('behaviour: a lender whose line is cut is given up within two seconds', {
    timeout: START_MS,
  }, async () => {
    const [near, far] = [await internet.host(), await internet.host(FAR)]
    const lender = await start(far, { lends: true, tokenMs: 40 })
    const borrower = await start(near, { deadlines: 'usual' })
    const { address, key } = await placeOf(lender, far)
    await borrower.tell({ do: 'ask', address })
    await borrower.tell({ do: 'borrow', lender: key, tokens: 4 })
    const answer = borrower.tell({ do: 'borrow', lender: key, tokens: 400 })
    const broken = answer.then(
      () => 'whole',
      (error: Error) => error.message,
    )
    await borrower.tell({ do: 'words', count: 8 })
    await far.line?.[Symbol.asyncDispose]()
    const cutMs = performance.now()
    expect(await broken).toMatch(/silent|stalled/)
    expect(performance.now() - cutMs).toBeLessThan(2_000)
  })

  it('behaviour: a model comes from two that are far away at once, and from one when the other is cut off', {
    timeout: START_MS,
  }, async () => {
    const chunks = 8
    const bytes = concat(
      smallGguf({ vocabulary: true }),
      new Uint8Array(randomBytes((chunks - 1) * CHUNK_BYTES)),
    )
    const digest = toHex(nativeSha256(bytes))
    const path = join(folder, 'birch.gguf')
    await writeFile(path, bytes)
    const hosts = [await internet.host(FAR), await internet.host(FAR)]
    const seeders = await Promise.all(hosts.map((host) => start(host, { lends: true })))
    const from: string[] = []
    for (const [i, seeder] of seeders.entries()) {
      await seeder.tell({ do: 'seed', path })
      from.push((await placeOf(seeder, hosts[i]!)).address)
    }
    const puller = await start(await internet.host())
    const seeded = async (i: number) => (await seeders[i]!.tell({ do: 'seeded' })).bytes ?? 0
    const startedMs = performance.now()
    expect(await puller.tell({ do: 'pull', digest, from })).toEqual({ digest })
    const seconds = (performance.now() - startedMs) / 1_000
    // One line alone carries no more than 500 kB a second.
    expect(seconds).toBeLessThan(bytes.length / FAR.bytesPerSecond)
    const before = [await seeded(0), await seeded(1)]
    for (const one of before) expect(one).toBeGreaterThan(CHUNK_BYTES)

    const again = puller.tell({ do: 'pull', digest, from })
    await vi.waitFor(async () => {
      expect(await seeded(1)).toBeGreaterThan(before[1]! + CHUNK_BYTES)
    }, START_MS)
    await hosts[1]!.line?.[Symbol.asyncDispose]()
    expect(await again).toEqual({ digest })
  })
})
