import { toHex } from '@freehold/core/bytes'
import { LendingError } from '@freehold/core/errors'
import type { Energy } from '@freehold/core/lending/energy'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { befriend, createTown, question, type Town, toyEngine } from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

/** A gate that the test closes, as the owner's needs would. */
function handGate() {
  const stop = new AbortController()
  const gate = { why: null as string | null, signal: stop.signal }
  const close = () => {
    gate.why = 'its owner is being answered'
    stop.abort(new LendingError('owner', { what: 'the lender needs its machine for itself' }))
  }
  return { gate, close }
}

describe('a lender whose owner needs the machine', () => {
  it('default: breaks off within a step, keeps what it signed, and is blamed for nothing', async () => {
    const { gate, close } = handGate()
    let steps = 0
    let stepsAtClose = 0
    const beforeStep = () => {
      steps++
      if (steps !== 60) return
      stepsAtClose = steps
      close()
    }
    const energy: (Energy | null)[] = []
    const lender = await town.lender({
      device: { engine: toyEngine({ beforeStep }) },
      gate,
      energy: { begin: async () => async () => ({ joules: 2, source: 'rapl' }) },
      onAnswer: (_, one) => energy.push(one),
    })
    const borrower = await town.inhabitant({ engine: toyEngine() })
    const { known } = await befriend(borrower.device, lender.lending)
    const completion = await borrower.device.complete(question({ maxTokens: 200 }))
    expect(completion.parts).toMatchObject([{ end: 'owner' }, { where: 'here' }])
    expect(completion).toMatchObject({ error: null, finish: 'length' })
    expect(steps - stepsAtClose).toBeLessThanOrEqual(1)
    await completion.settled
    const standing = await borrower.device.tables.standing.get(toHex(known.lender))
    expect(standing).toMatchObject({ answers: 1, brokenOff: 0, lateRefusals: 0 })
    // What was signed is owed, and it can be paid.
    expect(completion.record?.tokens).toBeGreaterThan(0)

    // Nobody new is served or told that it lends.
    await expect(borrower.device.peers.ask(known.address)).rejects.toThrow(
      /lends nothing to this one now/,
    )
    const again = await borrower.device.complete(question()).catch((error: Error) => ({ error }))
    expect(again.error).toMatchObject({ reason: 'owner' })
    expect(energy).toEqual([{ joules: 2, source: 'rapl' }])
  })

  it('behaviour: an answer that is whole is paid for though the gate closes before its verdict', async () => {
    const { gate, close } = handGate()
    const lender = await town.lender({ device: { engine: toyEngine() }, gate })
    const borrower = await town.inhabitant({ engine: toyEngine() })
    await befriend(borrower.device, lender.lending)
    const { lender: device } = { lender: lender.device.identity!.device }
    const completion = await borrower.device.complete(
      question({ maxTokens: 8, lender: toHex(device) }),
    )
    close()
    expect(completion.error).toBeNull()
    await completion.settled
    const row = await borrower.device.tables.answers.get(completion.record?.id ?? '')
    expect(row?.payment).toBe('paid')
  })
})
