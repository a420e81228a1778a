import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findResident, type Resident } from '../serving/resident.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let home: string
/** Processes in the background that a test has seen. */
let seen: Set<number>

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-background-'))
  seen = new Set()
})
afterEach(async () => {
  const left = await findResident(home)
  if (left !== null) {
    process.kill(left.pid, 'SIGKILL')
    await gone(left.pid)
  }
  // Each has ended, or a test would leave it behind.
  for (const pid of seen) await gone(pid)
  await rm(home, { recursive: true, force: true })
})

function start(args: readonly string[], env: Record<string, string> = {}, under: string[] = []) {
  const program = [...under, process.execPath, '--no-warnings', MAIN, ...args]
  return spawn(program[0] ?? '', program.slice(1), {
    env: { ...process.env, FREEHOLD_HOME: home, FREEHOLD_NORESIDENT: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function freehold(args: readonly string[], env?: Record<string, string>, under?: string[]) {
  const child = start(args, env, under)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

async function resident(): Promise<Resident> {
  const found = await findResident(home)
  if (found === null) throw new Error('no process serves')
  seen.add(found.pid)
  return found
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await setTimeout(20)
}

/** Long enough that it is still written when a signal comes. */
const LONG = 'Tell me a long story about a whale'

/** Processes that a process has started. */
async function childrenOf(pid: number): Promise<number[]> {
  const listed = await text(spawn('ps', ['-A', '-o', 'pid=,ppid=']).stdout)
  return listed
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child = 0, parent]) => (parent === pid ? [child] : []))
}

const hasStrace = spawnSync('strace', ['-V']).status === 0

describe('freehold run, with a process in the background', { timeout: 240_000 }, () => {
  it('default: the first run starts it, others ask it, and stop ends it', async () => {
    const first = await freehold(['run', '--temperature', '0', 'What is 7 plus 5?'])
    expect(first).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('12') })
    const { pid, isBackground, url } = await resident()
    expect(isBackground).toBe(true)
    expect((await fetch(`${url}/v1/models`)).status).toBe(401)

    const second = await freehold(['run', '--json', 'Hello'])
    expect(JSON.parse(second.stdout)).toMatchObject({
      where: 'here',
      model: 'Acorn',
      modelId: expect.stringMatching(/^[0-9a-f]{64}$/),
      error: null,
    })
    expect((await resident()).pid).toBe(pid)
    expect((await freehold(['ps'])).stdout).toMatch(/^acorn /m)
    const log = join(home, 'resident.log')
    expect(await readFile(log, 'utf8')).toContain(`Listening at ${url}`)
    if (process.platform !== 'win32') expect((await stat(log)).mode & 0o077).toBe(0)

    expect(await freehold(['stop'])).toMatchObject({ code: 0, stderr: `Ended process ${pid}\n` })
    expect(await findResident(home)).toBe(null)
    await gone(pid)
    expect((await freehold(['stop'])).code).toBe(2)
  })

  it('behaviour: two at once start one, and errors are those of an answer here', async () => {
    const both = await Promise.all([freehold(['run', 'Hello']), freehold(['run', 'Hello'])])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    const { pid } = await resident()
    const long = await freehold(['run', 'word '.repeat(3_000)])
    expect(long).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/context/) })
    expect(long.stderr).not.toMatch(/^\s+at /m)
    process.kill(pid, 'SIGKILL')
    await gone(pid)
    // What was killed is in nobody’s way.
    expect((await freehold(['run', 'Hello'])).code).toBe(0)
    expect((await resident()).pid).not.toBe(pid)
    await freehold(['stop'])
  })

  it('behaviour: it ends by itself when nobody asks', async () => {
    await writeFile(join(home, 'config.json'), '{"resident":"1s"}')
    expect((await freehold(['run', 'Hello'])).code).toBe(0)
    // It may be over already.
    const found = await findResident(home)
    if (found !== null) await gone(found.pid)
    expect(await findResident(home)).toBe(null)
  })

  it('behaviour: none is started where settings, variable or flag say so', async () => {
    const off = [
      freehold(['run', '--no-resident', 'Hello']),
      freehold(['run', 'Hello'], { FREEHOLD_NORESIDENT: '1' }),
      freehold(['run', '--seed', '1', 'Hello']),
    ]
    expect((await Promise.all(off)).map(({ code }) => code)).toEqual([0, 0, 0])
    await writeFile(join(home, 'config.json'), '{"resident":false}')
    expect((await freehold(['run', 'Hello'])).code).toBe(0)
    expect(await findResident(home)).toBe(null)
    await writeFile(join(home, 'config.json'), '{"resident":"soon"}')
    expect(await freehold(['run', 'Hello'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/"resident" in .+ is no duration/),
    })
  })

  it('behaviour: with FREEHOLD_NOHISTORY none is asked that keeps texts', async () => {
    await freehold(['run', 'Hello'])
    const { pid, url, token } = await resident()
    const asked = async () => {
      const headers = { authorization: `Bearer ${token}` }
      const metrics = await (await fetch(`${url}/metrics`, { headers })).text()
      return /\/api\/chat.* (\d+)$/m.exec(metrics)?.[1]
    }
    expect(await asked()).toBe('1')
    expect((await freehold(['run', 'Hello'], { FREEHOLD_NOHISTORY: '1' })).code).toBe(0)
    expect(await asked()).toBe('1')
    expect((await resident()).pid).toBe(pid)
    await freehold(['stop'])
    // One that is started so keeps none, and is asked by all.
    expect((await freehold(['run', 'Hello'], { FREEHOLD_NOHISTORY: '1' })).code).toBe(0)
    const next = await resident()
    expect(next.keepsTexts).toBe(false)
    expect((await freehold(['run', 'Hello'])).code).toBe(0)
    expect((await resident()).pid).toBe(next.pid)
    await freehold(['stop'])
  })

  it('behaviour: a seed means the same with a process in the background and without', async () => {
    const seeded = ['run', '--seed', '7', '--max-tokens', '24', 'Tell me a story']
    const without = await freehold([...seeded, '--no-resident'])
    await freehold(['run', 'Hello'])
    const { pid } = await resident()
    const beside = await freehold(seeded)
    expect(beside).toEqual(without)
    expect((await resident()).pid).toBe(pid)
    await freehold(['stop'])
  })

  it('behaviour: one that is killed in the middle of an answer is said clearly, and leaves nothing', async () => {
    await freehold(['run', 'Hello'])
    const { pid } = await resident()
    const engines = await childrenOf(pid)
    expect(engines).not.toEqual([])
    const child = start(['run', '--temperature', '2', '--max-tokens', '900', LONG])
    const said = text(child.stderr)
    await once(child.stdout, 'data')
    process.kill(pid, 'SIGKILL')
    const [code] = await once(child, 'close')
    expect({ code, said: await said }).toEqual({
      code: 1,
      said: expect.stringMatching(/^freehold: the process that serves .*\n$/),
    })
    for (const engine of engines) await gone(engine)
    expect(await findResident(home)).toBe(null)
    expect((await freehold(['run', 'Hello'])).code).toBe(0)
    await resident()
    await freehold(['stop'])
  })

  it('behaviour: Ctrl-C ends the answer there too, with status 130', async () => {
    await freehold(['run', 'Hello'])
    const { url, token } = await resident()
    let ended: unknown[]
    do {
      const child = start(['run', '--temperature', '2', '--max-tokens', '900', LONG])
      await once(child.stdout, 'data')
      child.kill('SIGINT')
      ended = await once(child, 'close')
      // One that was over before it could be broken off shows nothing.
    } while (ended[0] === 0)
    expect(ended).toEqual([130, null])
    const running = async () => {
      const headers = { authorization: `Bearer ${token}` }
      const { models } = await (await fetch(`${url}/api/ps`, { headers })).json()
      return models[0].running
    }
    while ((await running()) > 0) await setTimeout(20)
    await freehold(['stop'])
  })

  it('behaviour: where none can be started, this process answers', async () => {
    const data = join(home, 'data')
    const env = { FREEHOLD_HOME: '', XDG_DATA_HOME: data, XDG_STATE_HOME: '/dev/null/state' }
    expect(await freehold(['run', 'Hello'], env)).toMatchObject({ code: 0, stderr: '' })
  })

  it('behaviour: a person’s own serve takes its place, and is asked instead', async () => {
    await freehold(['run', 'Hello'])
    const { pid } = await resident()
    const child = start(['serve', '--port', '0', '--json'])
    const [line] = await once(createInterface(child.stdout), 'line')
    await gone(pid)
    expect(await resident()).toMatchObject({ pid: child.pid, isBackground: false })
    expect((await freehold(['run', 'Hello'])).code).toBe(0)
    const metrics = await (await fetch(`${JSON.parse(line).url}/metrics`)).text()
    expect(metrics).toMatch(/\/api\/chat.* 1$/m)
    expect(await freehold(['stop'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/you started process \d+ yourself/),
    })
    child.kill('SIGINT')
    await once(child, 'close')
  })

  it.skipIf(!hasStrace)(
    'behaviour: only loopback is spoken to (skipped where strace is not installed)',
    async () => {
      await freehold(['run', 'Hello'])
      const { url } = await resident()
      const trace = join(home, 'trace')
      const strace = ['strace', '-f', '-qq', '-e', 'trace=connect,sendto,sendmsg,bind', '-o', trace]
      expect((await freehold(['run', 'Hello'], {}, strace)).code).toBe(0)
      const calls = (await readFile(trace, 'utf8')).split('\n').filter((l) => l.includes('AF_INET'))
      expect(calls.length).toBeGreaterThan(0)
      const address = `sin_port=htons(${new URL(url).port}), sin_addr=inet_addr("127.0.0.1")`
      for (const call of calls) expect(call).toContain(address)
      await freehold(['stop'])
    },
  )
})
