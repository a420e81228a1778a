import { stat } from 'node:fs/promises'
import type { Clock } from '@freehold/core/platform'
import { describe, expect, it } from 'vitest'
import { ACORN } from '../engine/test-models.ts'
import { needsOf } from './load-served.ts'
import { namedModels, type ScriptedModel, scriptedModel } from './model-pool.fixture.ts'
import { createModelPool, type ModelPoolInit, type PoolComponents } from './model-pool.ts'

const models = namedModels(['a', 'b', 'c'])
const model = async (name: string) => (await models.find(name))!
const asker = { client: 'me' }

/** A pool of scripted models on a clock that the test moves. */
function open(
  init: ModelPoolInit = {},
  more: Pick<PoolComponents, 'needs'> & { gpuBytes?: number } = {},
) {
  const loaded = new Map<string, ScriptedModel>()
  const loads: string[] = []
  const timers = new Set<{ at: number; fn: () => void }>()
  let now = 0
  const clock: Clock = {
    now: () => now,
    after: (ms, fn) => {
      const timer = { at: now + ms, fn }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  const gates = new Map<string, Promise<void>>()
  const pool = createModelPool(init, {
    clock,
    needs: more.needs,
    load: async (source, { contextTokens, signal }) => {
      loads.push(source)
      await gates.get(source)
      signal.throwIfAborted()
      const served = scriptedModel({
        gpuBytes: more.gpuBytes,
        info: { contextTokens: Math.min(contextTokens ?? 512, 2_048) },
      })
      loaded.set(source, served)
      return served
    },
  })
  return {
    pool,
    loaded,
    loads,
    gates,
    pass: (ms: number) => {
      now += ms
      for (const timer of [...timers]) {
        if (timer.at > now) continue
        timers.delete(timer)
        timer.fn()
      }
    },
    use: async (name: string, more: object = {}) => {
      await using lease = await pool.take(await model(name), { ...asker, ...more })
      return lease.served
    },
  }
}

const names = ({ pool }: ReturnType<typeof open>) => pool.rows().map(({ name }) => name)
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('createModelPool', () => {
  it('default: loads once, however many ask meanwhile, and unloads what is idle', async () => {
    const town = open()
    const [one, other] = await Promise.all([town.use('a'), town.use('a')])
    expect(other).toBe(one)
    expect(town.loads).toEqual(['/a'])
    expect(town.pool.rows()).toMatchObject([{ state: 'ready', expiresAtMs: 300_000 }])
    town.pass(299_999)
    await town.use('a')
    town.pass(300_000)
    expect(names(town)).toEqual([])
    await settle()
    expect(town.loaded.get('/a')?.isDisposed).toBe(true)
  })

  it('behaviour: two names of one file share what is loaded', async () => {
    const { pool, loads } = open()
    const [a, b] = await Promise.all(['a', 'b'].map(model))
    for (const one of [a, b]) {
      await using _ = await pool.take({ ...one!, place: '1:2' }, asker)
    }
    expect(loads).toEqual(['/a'])
    expect(pool.unload({ ...b!, place: '1:2' })).toBe(true)
    await pool[Symbol.asyncDispose]()
  })

  it('behaviour: a request says how long the model stays', async () => {
    const town = open()
    await town.use('a', { keepAliveMs: Infinity })
    town.pass(1e12)
    expect(names(town)).toEqual(['a'])
    await town.use('a', { keepAliveMs: 0 })
    expect(names(town)).toEqual([])
  })

  it('behaviour: makes room by what was idle for longest, and never by what is in use', async () => {
    const town = open({ maxModels: 2 })
    await town.use('a')
    town.pass(1)
    await town.use('b')
    town.pass(1)
    await town.use('c')
    expect(names(town)).toEqual(['b', 'c'])
    await using _b = await town.pool.take(await model('b'), asker)
    await using _c = await town.pool.take(await model('c'), asker)
    await expect(town.use('a')).rejects.toMatchObject({ name: 'BusyError', retryAfterSeconds: 5 })
  })

  it('behaviour: memory is a limit too, but one model may always be there', async () => {
    const town = open({ memoryBytes: 1_500 })
    await town.use('a')
    await town.use('b')
    expect(names(town)).toEqual(['b'])
    const small = open({ memoryBytes: 10 })
    await small.use('a')
    expect(names(small)).toEqual(['a'])
  })

  it('behaviour: memory is what a model takes once loaded, less what a GPU holds', async () => {
    const asked: unknown[] = []
    const needs = async (_: unknown, init: { contextTokens: number | undefined }) => {
      asked.push(init)
      return 1_000 + (init.contextTokens ?? 0)
    }
    const town = open({ memoryBytes: 2_500, parallel: 2 }, { needs })
    await town.use('a')
    await town.use('b')
    expect(names(town)).toEqual(['a', 'b'])
    expect(asked[0]).toEqual({ contextTokens: undefined, parallel: 2 })
    await town.use('b', { contextTokens: 1_024 })
    expect(names(town)).toEqual(['b'])
    const withGpu = open({ memoryBytes: 2_500 }, { needs, gpuBytes: 1_900 })
    for (const name of ['a', 'b', 'c']) await withGpu.use(name, { contextTokens: 1_024 })
    expect(names(withGpu)).toEqual(['a', 'b', 'c'])
  })

  it('behaviour: what a model needs is more than its file, and grows with context and texts', async () => {
    const acorn = { name: 'acorn', source: ACORN, sizeBytes: 1_000, modifiedMs: 0 }
    const needs = (contextTokens: number, parallel: number) =>
      needsOf(acorn, { contextTokens, parallel })
    const least = await needs(512, 1)
    expect(least).toBeGreaterThan((await stat(ACORN)).size)
    expect(await needs(1_024, 1)).toBeGreaterThan(least)
    expect(await needs(512, 4)).toBeGreaterThan(least)
    expect(await needsOf({ ...acorn, source: '/nowhere' }, { contextTokens: 1, parallel: 1 })).toBe(
      1_000,
    )
  })

  it('behaviour: a stopped model ends its answers first, and takes no more', async () => {
    const town = open()
    const lease = await town.pool.take(await model('a'), asker)
    expect(town.pool.unload(await model('a'))).toBe(true)
    expect(town.pool.rows()).toMatchObject([{ state: 'stopping', running: 1 }])
    await expect(town.use('a')).rejects.toMatchObject({ name: 'BusyError' })
    expect(lease.served).toMatchObject({ isDisposed: false })
    await lease[Symbol.asyncDispose]()
    await settle()
    expect(lease.served).toMatchObject({ isDisposed: true })
    expect(town.pool.unload(await model('a'))).toBe(false)
  })

  it('behaviour: a larger context loads an idle model anew, and one that cannot be is refused', async () => {
    const town = open()
    await town.use('a')
    const { info } = (await town.use('a', { contextTokens: 1_024 })).model
    expect(info.contextTokens).toBe(1_024)
    await town.use('a', { contextTokens: 256 })
    expect(town.loads).toHaveLength(2)
    await expect(town.use('a', { contextTokens: 9_999 })).rejects.toMatchObject({
      name: 'UnsupportedError',
      param: 'num_ctx',
    })
  })

  it('behaviour: requests wait while a model loads, and who goes away leaves the load alone', async () => {
    const town = open({ parallel: 1, maxWaiting: 1 })
    const gate = Promise.withResolvers<void>()
    town.gates.set('/a', gate.promise)
    const gone = new AbortController()
    const first = town.use('a', { signal: gone.signal })
    await settle()
    const second = town.use('a')
    await settle()
    await expect(town.use('a')).rejects.toMatchObject({ name: 'BusyError' })
    expect(town.pool.rows()).toMatchObject([{ state: 'loading', waiting: 1 }])
    gone.abort(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
    gate.resolve()
    await second
    expect(town.loads).toEqual(['/a'])
  })

  it('behaviour: a model whose process died is loaded anew', async () => {
    const town = open()
    const first = (await town.use('a')) as ScriptedModel
    first.isAlive = false
    expect(await town.use('a')).not.toBe(first)
    expect(town.loads).toHaveLength(2)
  })

  it('behaviour: a load that fails is told, and tried again', async () => {
    const town = open()
    town.gates.set('/a', Promise.reject(new Error('no memory')))
    await expect(town.use('a')).rejects.toThrow('no memory')
    town.gates.delete('/a')
    await settle()
    await town.use('a')
  })
})
