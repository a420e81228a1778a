import { setTimeout } from 'node:timers/promises'
import {
  createTown,
  question,
  TCP,
  toyEngine,
} from '../../packages/node/src/device/town.fixture.ts'
import { median } from '../median.ts'
import { startSlowWire } from './slow-wire.ts'

/** A lender takes five connections of one address in a second. */
const AGAIN_MS = 300

/** Time from a question to the first token of a borrowed answer, milliseconds. */
export interface FirstTokens {
  rttMs: number
  /** Over a connection that is there, of a lender that was borrowed from a moment ago. */
  nextMs: number
  /** Over a connection that is there. */
  warmMs: number
  /** It has to be made first. */
  coldMs: number
}

/**
 * A paid answer of a lender at some distance, whose engine takes no time: what is left is the network and
 * what both sides check and sign. The wires delay by half the round trip in each direction.
 */
export async function firstTokens(
  rtts: readonly number[],
  answers: number,
): Promise<FirstTokens[]> {
  const town = await createTown()
  try {
    const { lending } = await town.lender({ device: { engine: toyEngine() } })
    const [, port = ''] = /\/tcp\/(\d+)/.exec(lending.addresses()[0] ?? '') ?? []
    const results: FirstTokens[] = []
    for (const rttMs of rtts) {
      await using wire = await startSlowWire(Number(port), rttMs / 2)
      const address = (lending.addresses()[0] ?? '').replace(`/tcp/${port}`, `/tcp/${wire.port}`)
      const init = { engine: toyEngine(), listen: [TCP], readyAhead: true }
      const borrower = await town.inhabitant(init)
      const known = await borrower.device.peers.ask(address)
      await borrower.device.channels.open(known, 1_000_000n)
      const [cold, warm, next]: [number[], number[], number[]] = [[], [], []]
      for (let i = 0; i < answers; i++) {
        const list = [cold, warm, next][i % 3] ?? next
        if (list !== next) {
          await setTimeout(AGAIN_MS)
          await (await borrower.restart()).model('acorn')
        }
        const { device } = borrower
        if (list === warm) await device.peers.ask(address)
        const { error, firstTokenMs, settled } = await device.complete(question({ maxTokens: 4 }))
        await settled
        if (error !== null || firstTokenMs === null) throw error ?? new Error('no token came')
        list.push(firstTokenMs)
      }
      results.push({ rttMs, nextMs: median(next), warmMs: median(warm), coldMs: median(cold) })
      await borrower.device[Symbol.asyncDispose]()
    }
    return results
  } finally {
    await town[Symbol.asyncDispose]()
  }
}
