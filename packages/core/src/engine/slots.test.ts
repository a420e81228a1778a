import { describe, expect, it } from 'vitest'
import { createSlots } from './slots.ts'

describe('slots', () => {
  it('default: places are taken, waited for in order and given back', async () => {
    const slots = createSlots(2)
    expect([await slots.take(), await slots.take()]).toEqual([0, 1])
    const order: string[] = []
    const first = slots.take().then((slot) => order.push(`first ${slot}`))
    const second = slots.take().then((slot) => order.push(`second ${slot}`))
    slots.give(1)
    slots.give(0)
    await Promise.all([first, second])
    expect(order).toEqual(['first 1', 'second 0'])
  })

  it('behaviour: who gives up loses no place', async () => {
    const slots = createSlots(1)
    await slots.take()
    const controller = new AbortController()
    const waiting = slots.take(controller.signal)
    controller.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    await expect(slots.take(controller.signal)).rejects.toThrow('gone')
    slots.give(0)
    expect(await slots.take()).toBe(0)
  })

  it('behaviour: closing turns all away', async () => {
    const slots = createSlots(1)
    await slots.take()
    const waiting = slots.take()
    slots.close(new Error('closed'))
    await expect(waiting).rejects.toThrow('closed')
    await expect(slots.take()).rejects.toThrow('closed')
  })
})
