import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { concat, toHex } from '@freehold/core/bytes'
import { smallGguf } from '@freehold/core/engine/small-gguf.fixture'
import { CHUNK_BYTES } from '@freehold/core/wire/manifest'
import type { WeightsReply } from '@freehold/core/wire/weights-messages'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { canMount } from './can-mount.fixture.ts'
import { type FakeHub, startFakeHub } from './hub.fixture.ts'
import { type PullInit, pull } from './pull.ts'
import {
  type FakeSeeder,
  type FakeSeederInit,
  openTestSwarm,
  seededFile,
  startSeeder,
} from './seeder.fixture.ts'
import { createStoreHome, type StoreHome } from './store.fixture.ts'
import { nameOf } from './store.ts'

const CHUNKS = 12

/** Chunks that may be lost where a seeder or a puller is gone at once: the last that was sent, and one in its line. */
const ON_THE_WAY = 2
const WHOLE = concat(
  smallGguf({ vocabulary: true }),
  new Uint8Array(randomBytes((CHUNKS - 1) * CHUNK_BYTES)),
)
const DIGEST = toHex(seededFile(WHOLE).file.sha256)

let home: StoreHome
let hub: FakeHub
let seeders: FakeSeeder[]
let closing: AsyncDisposable[]
beforeEach(async () => {
  home = await createStoreHome()
  hub = await startFakeHub()
  hub.files.set('birch-Q8_0.gguf', Buffer.from(WHOLE))
  seeders = []
  closing = []
})
afterEach(async () => {
  for (const one of [...closing, ...seeders, hub, home]) await one[Symbol.asyncDispose]()
})

const seed = async (init: FakeSeederInit = {}, bytes = WHOLE) => {
  const seeder = await startSeeder(bytes, init)
  seeders.push(seeder)
  return seeder
}

const swarmOf = async (addresses = seeders.map(({ address }) => address)) => {
  const swarm = await openTestSwarm(addresses)
  closing.push(swarm)
  return swarm
}

async function pullAll(text = `sha256:${DIGEST}`, init: PullInit = {}, swarm = swarmOf()) {
  const used = await swarm
  const endpoint = { endpoint: hub.endpoint }
  const wait = async () => {}
  const result = await pull(text, { ...endpoint, ...init }, { library: home, swarm: used, wait })
  return { ...result, swarm: used }
}

const requireWhole = async () => {
  const [model] = await home.store.list()
  expect(model?.modelId).toBe(DIGEST)
  expect(Buffer.compare(await readFile(home.store.paths(model!)[0]!), WHOLE)).toBe(0)
  expect(await readdir(home.store.downloads)).toEqual([])
}

const wrongChunk = (reply: WeightsReply): WeightsReply => {
  if (reply.kind !== 'chunk') return reply
  const data = Uint8Array.from(reply.data)
  data[5] = (data[5] ?? 0) ^ 1
  return { ...reply, data }
}

/** A list that is false in one chunk, and the chunk that fits it. */
const OTHER = Uint8Array.from(WHOLE)
OTHER[7 * CHUNK_BYTES + 9] = (OTHER[7 * CHUNK_BYTES + 9] ?? 0) ^ 1
const falseFile = seededFile(OTHER)
const wrongList = (reply: WeightsReply): WeightsReply => {
  if (reply.kind === 'hashes') return { ...reply, chunkHashes: falseFile.chunkHashes }
  if (reply.kind !== 'chunk') return reply
  const from = reply.index * CHUNK_BYTES
  return { ...reply, data: OTHER.slice(from, from + CHUNK_BYTES) }
}

describe('pull from peers', () => {
  it('default: four seeders at once hand over a model by its digest, and the host is not asked', async () => {
    for (let i = 0; i < 4; i++) await seed()
    const { model, swarm, isUpToDate } = await pullAll()
    await requireWhole()
    expect(isUpToDate).toBe(false)
    expect(nameOf(model)).toMatch(/^sha256-/)
    expect(seeders.filter(({ asked }) => asked.length > 0)).toHaveLength(4)
    expect(seeders.flatMap(({ asked }) => asked).sort((a, b) => a - b)).toEqual(
      Array.from({ length: CHUNKS }, (_, index) => index),
    )
    expect(hub.requests).toEqual([])
    // What was asked of whom was said before.
    expect(new Set(swarm.askedOf).size).toBe(4)
    expect((await pullAll()).isUpToDate).toBe(true)
  })

  it('behaviour: a model by its name comes from peers once its host has said the digest', async () => {
    await seed()
    await pullAll('hf.co/user/repo:Q8_0')
    await requireWhole()
    expect(hub.requests.filter(({ at }) => at === 'cdn')).toEqual([])
  })

  it('behaviour: with a digest behind its name it comes though its host is gone', async () => {
    await seed()
    hub.fault = () => ({ status: 404 })
    await pullAll(`hf.co/user/repo:Q8_0@sha256:${DIGEST}`)
    await requireWhole()
  })

  it('behaviour: of an address, peers are asked for what the digest behind it names', async () => {
    await seed()
    hub.files.set('x/birch.gguf', Buffer.from(WHOLE))
    await pullAll(`${hub.plain}/x/x/birch.gguf@sha256:${DIGEST}`)
    await requireWhole()
    expect(hub.requests.map(({ range }) => range)).toEqual([undefined])
  })

  it('behaviour: a wrong chunk bans its sender and costs that chunk alone', async () => {
    const liar = await seed({ change: wrongChunk })
    for (let i = 0; i < 3; i++) await seed()
    const { swarm } = await pullAll()
    await requireWhole()
    expect([...swarm.banned.keys()]).toEqual([liar.device])
    const asked = seeders.flatMap((one) => one.asked).length
    // What it was asked for: one that was wrong, and one in its line behind that.
    expect(liar.asked.length).toBeLessThanOrEqual(2)
    expect(asked).toBeLessThanOrEqual(CHUNKS + 2)
    // Banned, it is not asked again.
    const before = liar.asked.length
    await home.store.remove((await home.store.list())[0]!)
    await pullAll(undefined, {}, Promise.resolve(swarm))
    expect(liar.asked).toHaveLength(before)
  })

  it('behaviour: a false list bans its givers, and only what it is false in is fetched again', async () => {
    const liars = [await seed({ change: wrongList }), await seed({ change: wrongList })]
    const honest = await seed()
    const { swarm } = await pullAll()
    await requireWhole()
    expect(new Set(swarm.banned.keys())).toEqual(new Set(liars.map(({ device }) => device)))
    expect([...swarm.banned.values()]).toEqual(Array(2).fill('its list of chunks is false'))
    expect(honest.asked).toContain(7)
    // All but the chunk that the lists differ in was kept.
    const asked = seeders.flatMap((one) => one.asked)
    expect(asked).toHaveLength(CHUNKS + 1)
  })

  it('behaviour: whoever gives another list than the true one is banned though it was not gone by', async () => {
    await seed()
    await seed()
    const liar = await seed({ change: wrongList })
    const { swarm } = await pullAll()
    await requireWhole()
    expect([...swarm.banned.keys()]).toEqual([liar.device])
  })

  it('behaviour: a lone liar cannot have its bytes taken for the model', async () => {
    await seed({ change: wrongList })
    await expect(pullAll()).rejects.toMatchObject({ name: 'ModelError' })
    expect(await home.store.list()).toEqual([])
    // The host still can, and what the liar left there costs nobody the model.
    await pullAll('hf.co/user/repo:Q8_0')
    await requireWhole()
  })

  it('behaviour: one that dies in the middle costs what it was asked for', async () => {
    let left = 2
    const dying = await seed({
      change: (reply) => (reply.kind === 'chunk' && left-- <= 0 ? null : reply),
    })
    for (let i = 0; i < 3; i++) await seed()
    const { swarm } = await pullAll()
    await requireWhole()
    expect(dying.asked.length).toBeGreaterThan(0)
    expect(swarm.banned.size).toBe(0)
    expect(seeders.flatMap((one) => one.asked).length).toBeLessThanOrEqual(CHUNKS + 2)
  })

  it('behaviour: where all of them are gone the host goes on with what is missing', async () => {
    let left = 5
    await seed({ change: (reply) => (reply.kind === 'chunk' && left-- <= 0 ? null : reply) })
    await pullAll('hf.co/user/repo:Q8_0', { pieceBytes: CHUNK_BYTES })
    await requireWhole()
    const ranges = hub.requests.filter(({ at }) => at === 'cdn').map(({ range }) => range ?? '')
    const bytes = ranges.map((range) => {
      const [from = 0, to = 0] = range.replace('bytes=', '').split('-').map(Number)
      return to + 1 - from
    })
    const sum = bytes.reduce((all, one) => all + one, 0)
    expect(sum).toBeGreaterThanOrEqual(WHOLE.length - 5 * CHUNK_BYTES)
    expect(sum).toBeLessThanOrEqual(WHOLE.length - (5 - ON_THE_WAY) * CHUNK_BYTES)
  })

  it('behaviour: without a host the pull ends, and the next one goes on there', async () => {
    let left = 5
    const dying = await seed({
      change: (reply) => (reply.kind === 'chunk' && left-- <= 0 ? null : reply),
    })
    await expect(pullAll()).rejects.toThrow(/same command goes on/)
    expect(dying.asked.length).toBeGreaterThanOrEqual(5)
    const second = await seed()
    await pullAll(undefined, {}, swarmOf([second.address]))
    await requireWhole()
    expect(second.asked.length).toBeGreaterThanOrEqual(CHUNKS - 5)
    expect(second.asked.length).toBeLessThanOrEqual(CHUNKS - 5 + ON_THE_WAY)
  })

  it('behaviour: what a crash left on the disk is hashed before it counts', async () => {
    let left = 5
    await seed({ change: (reply) => (reply.kind === 'chunk' && left-- <= 0 ? null : reply) })
    await expect(pullAll()).rejects.toThrow(/gone/)
    const part = join(home.store.downloads, `${DIGEST}.part`)
    const bytes = await readFile(part)
    bytes[100] = (bytes[100] ?? 0) ^ 1
    await writeFile(part, bytes)
    const second = await seed()
    await pullAll(undefined, {}, swarmOf([second.address]))
    await requireWhole()
    // One of the five is wrong now.
    expect(second.asked.length).toBeGreaterThanOrEqual(CHUNKS - 4)
    expect(second.asked.length).toBeLessThanOrEqual(CHUNKS - 4 + ON_THE_WAY)
  })

  it('behaviour: a puller that is killed goes on where it was', async () => {
    const slow = await seed({ bytesPerSecond: 4 * CHUNK_BYTES })
    const child = startPuller(slow.address)
    while (slow.asked.length < 7) await new Promise((resolve) => setImmediate(resolve))
    child.kill('SIGKILL')
    await once(child, 'close')
    const second = await seed()
    await pullAll(undefined, {}, swarmOf([second.address]))
    await requireWhole()
    expect(second.asked.length).toBeLessThanOrEqual(CHUNKS - 6 + ON_THE_WAY)
  })

  it.skipIf(!canMount())(
    'behaviour: a full disk is said, and blamed on nobody (skipped where nothing can be mounted)',
    async () => {
      const one = await seed()
      const disk = join(home.folder, 'disk')
      await mkdir(disk)
      const child = startPuller(one.address, { disk, sizeMb: 30, fillMb: 28 })
      const [output] = await Promise.all([collect(child), once(child, 'close')])
      expect(output).toMatch(/ModelError: the disk (is full|has too little space)/)
      expect(output).toMatch(/banned: 0/)
    },
  )

  it('behaviour: who does not seed is not pulled from', async () => {
    await seed({ isOn: false })
    await expect(pullAll()).rejects.toThrow(/no peer has a model/)
  })

  it('behaviour: a seeder whose file has rotted says so, and is not banned', async () => {
    const read = async (from: number, count: number) => OTHER.slice(from, from + count)
    const rotten = await seed({ read })
    await seed()
    const { swarm } = await pullAll()
    await requireWhole()
    expect(swarm.banned.has(rotten.device)).toBe(false)
  })

  it('behaviour: a seeder that has had its day hands out no more', async () => {
    const tight = await seed({ bytesPerDay: 3 * CHUNK_BYTES + 1_000 })
    const free = await seed()
    await pullAll()
    await requireWhole()
    expect(free.asked.length).toBeGreaterThanOrEqual(CHUNKS - 3)
    expect(tight.asked.length).toBeLessThanOrEqual(5)
  })
})

/** A process of its own that pulls, on a small disk if one is named. */
function startPuller(
  address: string,
  small?: { disk: string; sizeMb: number; fillMb: number },
): ChildProcess {
  const folder = small?.disk ?? home.folder
  const file = (name: string) => JSON.stringify(join(import.meta.dirname, name))
  const script = `
    import { openKnownFiles } from ${file('known-files.ts')}
    import { openModelStore } from ${file('store.ts')}
    import { pull } from ${file('pull.ts')}
    import { openTestSwarm } from ${file('seeder.fixture.ts')}
    import { writeFileSync, rmSync } from 'node:fs'
    const known = openKnownFiles(null)
    const store = openModelStore(${JSON.stringify(join(folder, 'models'))}, { known })
    const swarm = await openTestSwarm([${JSON.stringify(address)}])
    const fill = ${small === undefined ? 0 : small.fillMb}
    const onProgress = ({ completedBytes }) => {
      if (fill > 0 && completedBytes > 0 && completedBytes < 3e6) {
        try { writeFileSync(${JSON.stringify(join(folder, 'fill'))}, Buffer.alloc(fill * 1e6)) } catch {}
      }
    }
    try {
      await pull('sha256:${DIGEST}', { onProgress }, { library: { store, known }, swarm })
      console.log('whole')
    } catch (error) {
      console.log(error.name + ': ' + error.message)
    }
    console.log('banned: ' + swarm.banned.size)
    process.exit()`
  const node = [process.execPath, '--no-warnings', '--input-type=module', '--eval', script]
  if (small === undefined) return spawn(node[0]!, node.slice(1), { stdio: 'inherit' })
  // A network namespace of its own would not reach the seeder: a mount namespace alone.
  const mount = `mount -t tmpfs -o size=${small.sizeMb}m tmpfs "$0" && exec "$@"`
  return spawn('unshare', ['-rm', 'sh', '-c', mount, small.disk, ...node], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function collect(child: ChildProcess): Promise<string> {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (part: Buffer) => {
      output += part
    })
  }
  await once(child, 'close')
  return output
}
