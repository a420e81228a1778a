import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** For a machine that does much else at the same time. */
vi.setConfig({ testTimeout: 300_000 })

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-cli-fit-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function start(args: readonly string[]) {
  return spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: { ...process.env, FREEHOLD_HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function freehold(...args: string[]) {
  const child = start(args)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr, json: stdout.startsWith('{') ? JSON.parse(stdout) : null }
}

describe('freehold fit', () => {
  it('default: says what a model needs, and how fast it may be', async () => {
    const { code, stdout } = await freehold('fit', 'acorn')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Acorn Q8_0: (fits|tight)\n {2}needs .*weights 3\.4 MB/)
    expect(stdout).toMatch(/about \d+ tokens\/s/)
  })

  it('behaviour: what is too big says so in its exit status, with what to do', async () => {
    const { code, json } = await freehold(
      'fit',
      'acorn',
      '--sequences',
      '10000000',
      '--no-probe',
      '--json',
    )
    expect(code).toBe(1)
    expect(json).toMatchObject({ mark: 'too big', longest: 1024, tokensPerSecond: null })
  })
})

describe('freehold fit of a listed model', () => {
  it('default: chooses a quantisation of a model that is not here', async () => {
    const { code, json } = await freehold('fit', 'SmolLM2-135M', '--no-probe', '--json')
    expect(code).toBe(0)
    expect(json).toMatchObject({ model: 'smollm2-135m', quantisation: expect.stringMatching(/^Q/) })
    expect(json.needs.totalBytes).toBeGreaterThan(1e8)
  })
})

describe('freehold models', () => {
  it('default: marks each model for this device', async () => {
    const { code, stdout, stderr } = await freehold('models')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^NAME +PARAMETERS +LICENCE/)
    expect(stdout).toMatch(/^smollm2-135m .*Apache-2\.0.* (fits|tight|too big)/m)
    expect(stderr).toMatch(/of memory are free/)
  })
})

describe('freehold shrink', () => {
  it('default: makes one file, and says what it lost', async () => {
    const out = join(folder, 'small.gguf')
    const { code, json, stderr } = await freehold(
      ...['shrink', 'acorn', '--fit', '2MB', '--tokens', '64', '--out', out, '--json'],
    )
    expect(code).toBe(0)
    const [result] = json.results
    expect(result.sizeBytes).toBeLessThanOrEqual(2e6)
    expect(result.loss.klMean).toBeGreaterThan(0)
    expect(stderr).toMatch(/quantising to Q3_K_L 100%/)
    expect(await readdir(folder)).toContain('small.gguf')
  })

  it('behaviour: compares several, draws a chart and keeps none', async () => {
    const chart = join(folder, 'chart.svg')
    const { code, stdout } = await freehold(
      ...['shrink', 'acorn', '--compare', 'q6_k,Q2_K', '--tokens', '64', '--chart', chart],
    )
    expect(code).toBe(0)
    expect(stdout.trim().split('\n')).toHaveLength(4)
    expect(await readFile(chart, 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s)
    expect((await readdir(folder)).filter((name) => name.includes('Q'))).toEqual([])
  })

  it('behaviour: an interrupt ends it, and leaves no part of a file', async () => {
    const out = join(folder, 'interrupted.gguf')
    const child = start(['shrink', 'acorn', '--to', 'Q4_K_M', '--out', out])
    child.stdout.resume()
    child.stderr.once('data', () => child.kill('SIGINT'))
    const [code] = await once(child, 'close')
    expect(code).toBe(130)
    expect((await readdir(folder)).filter((name) => name.startsWith('interrupted'))).toEqual([])
  })

  it('behaviour: it goes on where nobody reads how far it is, and leaves no part of a file', async () => {
    const out = join(folder, 'unread.gguf')
    const child = start(['shrink', 'acorn', '--to', 'Q4_K_M', '--no-measure', '--out', out])
    child.stderr.once('data', () => child.stderr.destroy())
    const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/Q4_K_M +2\.\d MB/) })
    expect((await readdir(folder)).filter((name) => name.startsWith('unread'))).toEqual([
      'unread.gguf',
    ])
  })

  it('behaviour: what makes no sense is refused before anything is computed', async () => {
    for (const [args, why] of [
      [[], /how small is not said/],
      [['--to', 'Q4_0', '--fit', '1MB'], /only one way/],
      [['--to', 'Q9'], /It is one of/],
      [['--fit', 'small'], /is no size/],
      [['--compare', 'Q4_0', '--out', 'x'], /keeps no file/],
      [['--to', 'Q4_0', '--no-measure', '--chart', 'x.svg'], /a chart needs/],
    ] as const) {
      const { code, stderr } = await freehold('shrink', 'acorn', ...args)
      expect([code, why.test(stderr)]).toEqual([2, true])
    }
  })
})
