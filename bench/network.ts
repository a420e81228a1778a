import { seededDice } from '../packages/node/src/demo/dice.ts'
import { type Bench, goal, machine } from './bench.ts'
import { median, rounded } from './median.ts'
import { firstTokens } from './network/first-tokens.ts'
import { idleBytes } from './network/idle-bytes.ts'
import { simulateLookups } from './network/lookup-simulation.ts'
import { realLookups } from './network/real-lookups.ts'

const WHOLE = { real: [10, 30, 100], simulated: [100, 1_000, 10_000], lookups: 100, answers: 27 }
const QUICK = { real: [10], simulated: [100], lookups: 10, answers: 3 }
/** Of 30 % an hour, what was replaced when a record is said again, at the latest after half an hour. */
const CHURN = 1 - Math.exp(-0.3 / 2)
/** The table refreshes itself every five minutes: one round is in it. */
const IDLE = { seconds: 310, settleSeconds: 60 }

/** Finding and reaching others. `--quick`: small, without goals. */
export const networkBench: Bench = {
  summary: 'finding a lender of a model, idle participation, first token at a distance',
  run: async ({ args, say }) => {
    const isQuick = args.includes('--quick')
    const extent = isQuick ? QUICK : WHOLE
    const real = []
    for (const devices of extent.real) {
      say(`${devices} libp2p nodes on loopback`)
      const { messages, milliseconds, found } = await realLookups(devices, extent.lookups)
      real.push({ devices, found, ...spread(messages), findMs: rounded(median(milliseconds), 3) })
    }
    const simulated = extent.simulated.flatMap((devices) => {
      say(`${devices} simulated devices`)
      return [0, CHURN].map((replaced) => {
        const init = { devices, lookups: 10 * extent.lookups, replaced }
        const { hops, messages, found } = simulateLookups({ ...init, dice: seededDice('look up') })
        const most = Math.max(...hops)
        const meanHops = rounded(mean(hops), 3)
        const log2 = rounded(Math.log2(devices), 3)
        const churn = rounded(replaced, 2)
        return { devices, churn, found, ...spread(messages), meanHops, most, log2 }
      })
    })
    say('first tokens at a distance')
    const first = await firstTokens(isQuick ? [0, 20] : [0, 20, 80], extent.answers)
    const distances = first.map((one) => {
      const trips = (kind: 'nextMs' | 'warmMs' | 'coldMs') =>
        one.rttMs === 0 ? null : rounded((one[kind] - (first[0]?.[kind] ?? 0)) / one.rttMs, 3)
      const { rttMs, nextMs, warmMs, coldMs } = one
      const roundTrips = { next: trips('nextMs'), warm: trips('warmMs'), cold: trips('coldMs') }
      return { rttMs, nextMs, warmMs, coldMs, roundTrips }
    })
    if (!isQuick) say(`ten devices that ask nothing, for ${IDLE.seconds} s`)
    const idle = await idleBytes(10, isQuick ? { seconds: 2, settleSeconds: 1 } : IDLE)
    const at = (list: readonly { devices: number; meanMessages: number }[]) =>
      list.find(({ devices }) => devices === 100)?.meanMessages ?? Number.NaN
    const ratio = rounded(at(simulated) / at(real), 3)
    return {
      conditions: {
        ...machine(),
        real: 'all nodes in one process, over TCP, without other traffic',
        simulated:
          'ids of 32 bits, full tables at first; churn: replaced since, tables not refreshed',
        distance:
          'a forwarding program on loopback delays both directions; a paid answer of a toy engine',
        idle: 'bytes that sockets of ten devices in one process sent, from the second minute on',
      },
      figures: { lookUps: real, simulated, simulatedOverReal: ratio, distances, idle },
      goals: isQuick
        ? []
        : [
            goal('simulation over real nodes, messages at 100', '>= 0.5', ratio),
            goal('simulation over real nodes, messages at 100', '<= 2', ratio),
            ...distances.flatMap(({ rttMs, nextMs, warmMs }) => [
              goal(`next first token at ${rttMs} ms, ms`, `<= ${rttMs + 50}`, nextMs),
              goal(`first token of a lender at ${rttMs} ms, ms`, `<= ${rttMs + 50}`, warmMs),
            ]),
          ],
    }
  },
}

function spread(values: readonly number[]) {
  const sorted = values.toSorted((one, other) => one - other)
  const p95Messages = sorted[Math.max(0, Math.ceil(0.95 * sorted.length) - 1)] ?? Number.NaN
  return { meanMessages: rounded(mean(values), 3), medianMessages: median(values), p95Messages }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
