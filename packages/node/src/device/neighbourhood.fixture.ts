/** Devices that know nobody but a bootstrap address: real libp2p over loopback, a toy engine, no chain. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@freehold/core/bytes'
import type { Device } from '@freehold/core/device/device'
import type { Lending } from '@freehold/core/device/lending'
import { TOY_INFO } from '@freehold/core/engine/toy-model.fixture'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { pathsOf } from '../config.ts'
import { type OpenDeviceInit, openDevice } from './open-device.ts'
import { MODEL, TCP, toyEngine } from './town.fixture.ts'

export const TOY_ID = TOY_INFO.modelId
const WAIT_MS = 30_000

export interface Neighbour extends AsyncDisposable {
  device: Device
  /** Its key, hex. */
  key: string
  /** Closes it and opens it anew from what is on its disk. */
  reopen(changes?: Partial<OpenDeviceInit>): Promise<Device>
}

export interface Neighbourhood extends AsyncDisposable {
  /** A device that takes part, of a new owner. */
  neighbour(init?: Partial<OpenDeviceInit>): Promise<Neighbour>
  /** One that lends the toy model for free. */
  lender(init?: Partial<OpenDeviceInit>): Promise<Neighbour & { lending: Lending }>
}

export async function createNeighbourhood(): Promise<Neighbourhood> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-neighbours-'))
  const all: Neighbour[] = []
  const neighbour: Neighbourhood['neighbour'] = async (init = {}) => {
    const phrase = createPhrase(systemRandom)
    const paths = pathsOf({ home: join(folder, String(all.length)) })
    const open = (changes: Partial<OpenDeviceInit> = {}) =>
      openDevice({
        listen: [TCP],
        discovery: { dht: true, gossip: true },
        engine: toyEngine(),
        ...init,
        ...changes,
        paths,
        phrase,
      })
    const device = await open()
    const self: Neighbour = {
      device,
      key: toHex(keyOf(device)),
      reopen: async (changes) => {
        await self.device[Symbol.asyncDispose]()
        self.device = await open(changes)
        return self.device
      },
      [Symbol.asyncDispose]: () => self.device[Symbol.asyncDispose](),
    }
    all.push(self)
    // A device enters the network when it is first asked for something about it.
    await device.discovering.state()
    return self
  }
  return {
    neighbour,
    lender: async (init) => {
      const self = await neighbour(init)
      const lending = await self.device.lending.start({ models: [MODEL], payment: null })
      return Object.assign(self, { lending })
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map((one) => one[Symbol.asyncDispose]()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function keyOf({ identity }: Device): Uint8Array {
  if (identity === null) throw new Error('this device has no keys')
  return identity.device
}

/** Where a device listens: what others are told as bootstrap. */
export async function addressOf({ device }: Neighbour): Promise<string> {
  return (await device.discovering.state()).addresses[0] ?? ''
}

/** Asks again until it is so. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + WAIT_MS
  while (!(await isSo())) {
    if (Date.now() > endMs) throw new Error('it never came to be')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
