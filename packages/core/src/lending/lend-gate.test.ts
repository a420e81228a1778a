import { describe, expect, it } from 'vitest'
import { openLendGate } from './lend-gate.ts'
import type { MachineState } from './polite.ts'

async function start() {
  const state: MachineState = {
    isOnMains: true,
    temperatureC: null,
    foreignLoad: null,
    isOwnRunning: false,
    isSwitchedOff: false,
    ownIdleMs: 0,
    minute: 0,
  }
  let tick: () => void = () => {}
  let isBroken = false
  const said: (string | null)[] = []
  const gate = await openLendGate(
    { politeness: { mains: true }, onChange: (why) => said.push(why) },
    {
      look: async () => {
        if (isBroken) throw new Error('no')
        return { ...state }
      },
      clock: {
        now: () => 0,
        after: (_, fn) => {
          tick = fn
          return () => {}
        },
      },
      log: () => {},
    },
  )
  const pass = async () => {
    tick()
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
  return { gate, state, said, pass, breakIt: () => (isBroken = true) }
}

describe('openLendGate', () => {
  it('default: it closes and opens as the machine is, and what runs is stopped once', async () => {
    const { gate, state, said, pass } = await start()
    expect(gate.why).toBeNull()
    const first = gate.signal
    await pass()
    expect(first.aborted).toBe(false)
    state.isOnMains = false
    await pass()
    expect(first.reason).toMatchObject({ reason: 'owner' })
    expect(gate.why).toMatch(/battery/)
    state.isOnMains = true
    await pass()
    expect([gate.why, gate.signal.aborted]).toEqual([null, false])
    expect(said).toEqual([null, expect.stringMatching(/battery/), null])
  })

  it('behaviour: what cannot be looked at is no reason to lend', async () => {
    const { gate, pass, breakIt } = await start()
    breakIt()
    await pass()
    expect(gate.why).toMatch(/cannot be looked at/)
    expect(gate.signal.aborted).toBe(true)
  })
})
