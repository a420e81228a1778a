import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { ACORN } from './test-models.ts'

const ENGINE = new URL('./llama-engine.ts', import.meta.url).href
const PROCESS = new URL('./engine-process.ts', import.meta.url).href
const LOAD = `
  const { createLlamaEngine } = await import(${JSON.stringify(ENGINE)})
  const engine = createLlamaEngine()
  const model = await engine.load(${JSON.stringify(ACORN)}, { contextTokens: 1024, sequences: 1 })
  const sequence = await model.openSequence()
  await sequence.step(1)
  console.log(model.pid)
`

/** Tells the child's pid before the child has begun. */
const START = `
  const { startEngineProcess } = await import(${JSON.stringify(PROCESS)})
  const child = startEngineProcess({})
  const load = { path: ${JSON.stringify(ACORN)}, sequences: 1, contextTokens: 1024 }
  const rest = { flashAttn: false, threads: 1, useGpu: false, isVerbose: false }
  child.call('load', { ...load, ...rest }).result.catch(() => {})
  console.log(child.pid)
`

/** Runs a program that loads a model. @returns it, and the pid of its engine */
async function start(script: string): Promise<{ program: ChildProcess; pid: number }> {
  const program = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const [line] = await once(createInterface({ input: program.stdout }), 'line')
  return { program, pid: Number(line) }
}

/** Whether a process runs; one that only waits to be reaped does not. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    return !/\) Z /.test(stat)
  } catch {
    return false
  }
}

async function endsWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    if (!(await isAlive(pid))) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

describe('engine process', () => {
  it('default: never outlives its parent, not even a busy one', async () => {
    const busy = 'for (;;) await sequence.step(1)'
    const { program, pid } = await start(LOAD + busy)
    expect(await isAlive(pid)).toBe(true)
    program.kill('SIGKILL')
    expect(await endsWithin(pid, 5000)).toBe(true)
  })

  it('behaviour: ends with a parent that dies while it starts', { timeout: 120_000 }, async () => {
    for (const afterMs of [0, 100, 400]) {
      const { program, pid } = await start(START)
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      program.kill('SIGKILL')
      expect(await endsWithin(pid, 30_000)).toBe(true)
    }
  })

  it('behaviour: does not keep a program alive that forgot to close it', async () => {
    const { program, pid } = await start(LOAD)
    const [code] = await once(program, 'exit')
    expect(code).toBe(0)
    expect(await endsWithin(pid, 5000)).toBe(true)
  })

  it('behaviour: is gone when its model is closed', async () => {
    const wait =
      'await model[Symbol.asyncDispose](); await new Promise((r) => setTimeout(r, 20_000))'
    const { program, pid } = await start(LOAD + wait)
    expect(await endsWithin(pid, 5000)).toBe(true)
    program.kill('SIGKILL')
  })
})
