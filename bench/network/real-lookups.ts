import { randomBytes } from 'node:crypto'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { tcp } from '@libp2p/tcp'

export interface RealLookups {
  /** From the question to the first lender, milliseconds. */
  milliseconds: number[]
  messages: number[]
  found: number
}

const TCP = '/ip4/127.0.0.1/tcp/0'
/** All of them have the same network address here: what holds for a stranger's would bind them all. */
const ROOMY = {
  ...{ connections: 1_000, connectionsPerHost: 1_000, pending: 1_000, pendingPerHost: 1_000 },
  newPerSecond: 1_000,
}
const LOOK_MS = 20_000
const MODELS = 10

/** So many libp2p nodes on loopback, which know of one of them and find each other. */
export async function realLookups(devices: number, lookups: number): Promise<RealLookups> {
  const meshes: Mesh[] = []
  try {
    for (let i = 0; i < devices; i++) {
      const mesh = await createMesh(
        {
          identity: { deviceSecretKey: randomBytes(32) },
          listen: [TCP],
          limits: ROOMY,
          discovery: { dht: true },
        },
        { transports: [tcp()], log: () => {} },
      )
      meshes.push(mesh)
      if (i > 0) await greet(mesh, meshes[0]?.addresses()[0] ?? '')
    }
    await settled(meshes)
    const models = await Promise.all(
      Array.from({ length: MODELS }, async (_, i) => {
        const digest = randomBytes(32)
        const lender = meshes[(i * 7 + 1) % devices]
        await lender?.discovery?.table?.provide(digest, { signal: AbortSignal.timeout(LOOK_MS) })
        return { digest, lender }
      }),
    )
    const all: RealLookups = { milliseconds: [], messages: [], found: 0 }
    for (let i = 0; i < lookups; i++) {
      const { digest, lender } = models[i % MODELS] as (typeof models)[number]
      let asker = meshes[(i * 13) % devices]
      if (asker === lender) asker = meshes[(i * 13 + 1) % devices]
      if (asker) await lookUp(asker, digest, all)
    }
    all.found /= lookups
    return all
  } finally {
    await Promise.all(meshes.map((mesh) => mesh[Symbol.asyncDispose]()))
  }
}

async function greet(mesh: Mesh, address: string): Promise<void> {
  await mesh.discovery?.greet(address, { signal: AbortSignal.timeout(LOOK_MS) })
}

/** Each can be asked and has looked for itself: none has more neighbours a moment later. */
async function settled(meshes: readonly Mesh[]): Promise<void> {
  const until = Date.now() + 60_000
  let before = -1
  for (;;) {
    const now = meshes.reduce((sum, { discovery }) => sum + (discovery?.connected() ?? 0), 0)
    const areServers = meshes.every(({ discovery }) => discovery?.isServer())
    if ((areServers && now === before) || Date.now() > until) return
    before = now
    await new Promise((resolve) => setTimeout(resolve, 1_500))
  }
}

async function lookUp(mesh: Mesh, digest: Uint8Array, all: RealLookups): Promise<void> {
  let messages = 0
  const onMessage = () => {
    messages++
  }
  const signal = AbortSignal.timeout(LOOK_MS)
  const startedMs = performance.now()
  for await (const _ of mesh.discovery?.table?.find(digest, { signal, onMessage }) ?? []) {
    all.found++
    all.messages.push(messages)
    all.milliseconds.push(performance.now() - startedMs)
    return
  }
}
