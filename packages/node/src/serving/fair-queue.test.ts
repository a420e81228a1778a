import { describe, expect, it } from 'vitest'
import { createFairQueue } from './fair-queue.ts'

/** Lets everything that is ready run. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('createFairQueue', () => {
  it('default: as many at once as there are places', async () => {
    const queue = createFairQueue({ places: 2, maxWaiting: 1 })
    const [one] = await Promise.all([queue.take('a'), queue.take('a')])
    const third = queue.take('a')
    await settle()
    expect(queue).toMatchObject({ running: 2, waiting: 1 })
    one()
    one()
    await third
    expect(queue).toMatchObject({ running: 2, waiting: 0 })
  })

  it('behaviour: clients take turns, and each client’s requests keep their order', async () => {
    const queue = createFairQueue({ places: 1, maxWaiting: 9 })
    const order: string[] = []
    const ask = async (client: string, name: string) => {
      const give = await queue.take(client)
      order.push(name)
      await settle()
      give()
    }
    const give = await queue.take('z')
    const all = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map((name) => ask(name[0]!, name))
    await settle()
    give()
    await Promise.all(all)
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  it('behaviour: who finds the line full is told when to come again', async () => {
    let now = 0
    const queue = createFairQueue({ places: 1, maxWaiting: 1, now: () => now })
    const give = await queue.take('a')
    const waits = queue.take('a')
    await expect(queue.take('b')).rejects.toMatchObject({
      name: 'BusyError',
      retryAfterSeconds: 2,
    })
    now = 100_000
    give()
    const last = await waits
    const again = queue.take('a')
    await expect(queue.take('b')).rejects.toMatchObject({ retryAfterSeconds: 42 })
    last()
    await again
  })

  it('behaviour: who goes away loses its turn and holds up nobody', async () => {
    const queue = createFairQueue({ places: 1, maxWaiting: 2 })
    const give = await queue.take('a')
    const gone = new AbortController()
    const first = queue.take('b', gone.signal)
    const second = queue.take('c')
    gone.abort(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
    expect(queue.waiting).toBe(1)
    give()
    await second
    expect(queue).toMatchObject({ running: 1, waiting: 0 })
  })
})
