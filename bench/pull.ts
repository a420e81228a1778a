import { randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { concat, toHex } from '../packages/core/src/bytes.ts'
import { smallGguf } from '../packages/core/src/engine/small-gguf.fixture.ts'
import { CHUNK_BYTES } from '../packages/core/src/wire/manifest.ts'
import { startFakeHub } from '../packages/node/src/models/hub.fixture.ts'
import { pull } from '../packages/node/src/models/pull.ts'
import {
  openTestSwarm,
  seededFile,
  startSeeder,
} from '../packages/node/src/models/seeder.fixture.ts'
import { createStoreHome } from '../packages/node/src/models/store.fixture.ts'
import { type Bench, goal, machine } from './bench.ts'
import { median, rounded } from './median.ts'
import { createSharedLink } from './pull/shared-link.ts'

const PEERS = 4
const LINK_BYTES = 8 * CHUNK_BYTES

/** What a run takes in; the quick one shows only that everything works. */
const WHOLE = { mib: 32, pairs: 5 }
const QUICK = { mib: 4, pairs: 1 }

/** A pull from four peers against one from a server, over the same link, in turn. `--quick`: small, once. */
export const pullBench: Bench = {
  summary: 'pull from 4 peers against one HTTP server on the same link',
  run: async ({ args, say }) => {
    const isQuick = args.includes('--quick')
    const size = isQuick ? QUICK : WHOLE
    const load = loadavg()[0]
    const scenarios = {
      sharedLink: await compare(size, undefined, say),
      slowUplinks: await compare(size, LINK_BYTES / PEERS, say),
    }
    const { sharedLink, slowUplinks } = scenarios
    return {
      conditions: {
        ...machine(),
        ...size,
        peers: PEERS,
        linkBytesPerSecond: LINK_BYTES,
        sharedLink: 'all bytes towards the puller pass one forwarder on loopback at that rate',
        slowUplinks: 'as before, and each source, the server too, sends at a quarter of that rate',
        order: 'peers and server in turn, the first pair is not counted; medians and their ratio',
        processes: 'puller, seeders, server and forwarder in one process; no latency is added',
        counted: 'from the command to the checked model in the store',
        loadBefore: rounded(load ?? Number.NaN),
      },
      figures: scenarios,
      goals: isQuick
        ? []
        : [
            goal('shared link: peers over server, time', '<= 1.1', sharedLink.peersOverServer),
            goal('slow uplinks: peers over server, time', '<= 0.5', slowUplinks.peersOverServer),
          ],
    }
  },
}

async function compare(
  { mib, pairs }: typeof WHOLE,
  uplink: number | undefined,
  say: (text: string) => void,
) {
  const bytes = concat(
    smallGguf({ vocabulary: true }),
    new Uint8Array(randomBytes(mib * CHUNK_BYTES - CHUNK_BYTES / 2)),
  )
  const digest = toHex(seededFile(bytes).file.sha256)
  await using link = createSharedLink(LINK_BYTES)
  const uplinkOf = uplink === undefined ? {} : { bytesPerSecond: uplink }
  await using hub = await startFakeHub()
  hub.files.set('folder/birch.gguf', Buffer.from(bytes))
  const plain = new URL(hub.plain)
  const server = await link.to(Number(plain.port), uplinkOf)
  const addresses: string[] = []
  await using stack = new AsyncDisposableStack()
  for (let i = 0; i < PEERS; i++) {
    const seeder = stack.use(await startSeeder(bytes))
    const port = Number(/\/tcp\/(\d+)/.exec(seeder.address)?.[1])
    addresses.push(seeder.address.replace(`/tcp/${port}`, `/tcp/${await link.to(port, uplinkOf)}`))
  }

  const fromPeers = async () => {
    await using home = await createStoreHome()
    await using swarm = await openTestSwarm(addresses)
    return await timed(() => pull(`sha256:${digest}`, {}, { library: home, swarm }))
  }
  const fromServer = async () => {
    await using home = await createStoreHome()
    const url = `http://127.0.0.1:${server}/x/folder/birch.gguf@sha256:${digest}`
    // Pieces as small as a peer's chunks, so that its four requests are busy to the end.
    return await timed(() => pull(url, { pieceBytes: CHUNK_BYTES }, { library: home }))
  }
  const seconds: { peers: number[]; server: number[] } = { peers: [], server: [] }
  for (let pair = 0; pair <= pairs; pair++) {
    const [peers, host] = [await fromPeers(), await fromServer()]
    say(`pair ${pair}: ${rounded(peers, 3)} s from peers, ${rounded(host, 3)} s from the server`)
    if (pair === 0) continue
    seconds.peers.push(peers)
    seconds.server.push(host)
  }
  const [peers, host] = [median(seconds.peers), median(seconds.server)]
  const ratios = seconds.peers.map((one, i) => rounded(one / (seconds.server[i] ?? Number.NaN), 3))
  return {
    peersSeconds: rounded(peers, 3),
    serverSeconds: rounded(host, 3),
    idealSeconds: rounded(bytes.length / LINK_BYTES, 3),
    peersOverServer: rounded(median(ratios), 3),
    ratios,
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now()
  await work()
  return (performance.now() - startedAtMs) / 1_000
}
