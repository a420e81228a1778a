/** Seeders on loopback over real libp2p: honest ones, and ones that lie or die. */
import { createHash } from 'node:crypto'
import { toHex } from '@freehold/core/bytes'
import { createSeedAllowance, type SeededDay } from '@freehold/core/device/seed-allowance'
import { createWeightsDesk, type SeededFile } from '@freehold/core/device/weights-desk'
import { openWeightsSource } from '@freehold/core/device/weights-source'
import { ed25519PublicKey } from '@freehold/core/identity/ed25519'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { WEIGHTS_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { createMemoryStorage } from '@freehold/core/storage.memory'
import { CHUNK_BYTES } from '@freehold/core/wire/manifest'
import {
  decodeWeightsReply,
  decodeWeightsRequest,
  encodeWeightsReply,
  MAX_WEIGHTS_REQUEST_BYTES,
  type WeightsReply,
  type WeightsRequest,
} from '@freehold/core/wire/weights-messages'
import { tcp } from '@libp2p/tcp'
import { nativeSha256, type Swarm } from './pull-from-peers.ts'

export interface FakeSeeder extends AsyncDisposable {
  address: string
  /** Device key, hex. */
  device: string
  /** Chunks that it was asked for. */
  asked: number[]
}

export interface FakeSeederInit {
  /** Changes a reply before it goes; null: it dies instead. */
  change?: ((reply: WeightsReply, request: WeightsRequest) => WeightsReply | null) | undefined
  bytesPerSecond?: number | undefined
  bytesPerDay?: number | undefined
  /** What it reads from its disk. */
  read?: SeededFile['read'] | undefined
  /** Whether it seeds at all. @default true */
  isOn?: boolean | undefined
}

/** What a file is made of. */
export function seededFile(bytes: Uint8Array): SeededFile {
  const hashes: Buffer[] = []
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
    hashes.push(
      createHash('sha256')
        .update(bytes.subarray(from, from + CHUNK_BYTES))
        .digest(),
    )
  }
  const chunkHashes = new Uint8Array(Buffer.concat(hashes))
  const [sha256, chunkRoot] = [nativeSha256(bytes), nativeSha256(chunkHashes)]
  return {
    file: { sha256, sizeBytes: bytes.length, chunkRoot, headerBytes: 64 },
    chunkHashes,
    read: async (from, count) => bytes.slice(from, from + count),
  }
}

export async function startSeeder(
  bytes: Uint8Array,
  init: FakeSeederInit = {},
): Promise<FakeSeeder> {
  const file = seededFile(bytes)
  const mesh = await openMesh(['/ip4/127.0.0.1/tcp/0'])
  const asked: number[] = []
  const { bytesPerSecond = 1e12, bytesPerDay = 1e15 } = init
  const allowance = createSeedAllowance(
    { perDay: bytesPerDay, perDevice: 1e15 },
    { table: createMemoryStorage().table<SeededDay>('seeded'), clock: systemClock },
  )
  const desk = createWeightsDesk(
    {
      models: [{ modelId: file.file.sha256, files: [{ ...file, read: init.read ?? file.read }] }],
      bytesPerSecond,
    },
    { clock: systemClock, allowance, deadlines: { chunkMs: 30_000 }, hash: nativeSha256 },
  )
  if (init.isOn !== false) {
    await mesh.handle(WEIGHTS_PROTOCOL, async (stream, peer) => {
      const messages = messagesOver(stream, MAX_WEIGHTS_REQUEST_BYTES)
      const requests: WeightsRequest[] = []
      await desk.serve(
        {
          ...messages,
          read: async (init) => {
            const data = await messages.read(init)
            if (data === null) return null
            const request = decodeWeightsRequest(data)
            requests.push(request)
            if (request.kind === 'chunk') asked.push(request.index)
            return data
          },
          write: async (data, writeInit) => {
            const request = requests.shift()
            if (init.change === undefined || request === undefined) {
              return messages.write(data, writeInit)
            }
            const changed = init.change(decodeWeightsReply(data), request)
            if (changed === null) {
              await mesh[Symbol.asyncDispose]()
              throw new Error('it died')
            }
            return messages.write(encodeWeightsReply(changed), writeInit)
          },
        },
        peer,
      )
    })
  }
  const [address = ''] = mesh.addresses()
  return { address, device: mesh.device, asked, [Symbol.asyncDispose]: mesh[Symbol.asyncDispose] }
}

/** Peers at these addresses alone. */
export async function openTestSwarm(
  addresses: readonly string[],
): Promise<Swarm & AsyncDisposable & { banned: Map<string, string>; askedOf: string[] }> {
  const mesh = await openMesh([])
  const banned = new Map<string, string>()
  const askedOf: string[] = []
  return {
    banned,
    askedOf,
    seeders: { findSeeders: async () => [...addresses] },
    bans: {
      has: async (device) => banned.has(device),
      add: async (device, why) => void banned.set(device, why),
    },
    connect: (address, signal) =>
      openWeightsSource({ address, connectMs: 5_000, replyMs: 10_000, signal }, { mesh }),
    onAsk: async (_, to) => void askedOf.push(...to),
    bytesPerSecond: null,
    log: () => {},
    [Symbol.asyncDispose]: mesh[Symbol.asyncDispose],
  }
}

async function openMesh(listen: string[]): Promise<Mesh & { device: string }> {
  const deviceSecretKey = systemRandom(32)
  const mesh = await createMesh(
    { identity: { deviceSecretKey }, listen },
    { transports: [tcp()], log: () => {} },
  )
  return Object.assign(mesh, { device: toHex(ed25519PublicKey(deviceSecretKey)) })
}
