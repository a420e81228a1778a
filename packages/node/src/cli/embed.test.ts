import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUNDLED } from '../models/acorn.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let home: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-embed-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

async function freehold(args: readonly string[], init: { input?: string; on?: boolean } = {}) {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: {
      ...process.env,
      FREEHOLD_HOME: home,
      ...(init.on ? { FREEHOLD_NORESIDENT: '' } : {}),
    },
  })
  child.stdin.end(init.input ?? '')
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

function vectorsOf(stdout: string): number[][] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('freehold embed', { timeout: 240_000 }, () => {
  it('default: a vector of length 1 on a line for each text', async () => {
    const { code, stdout, stderr } = await freehold(['embed', 'a cat', 'a dog', 'a cat'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const vectors = vectorsOf(stdout)
    expect(vectors).toHaveLength(3)
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 4)
    expect(vectors[1]).not.toEqual(vectors[0])
    expect(vectors[2]).toEqual(vectors[0])
  })

  it('behaviour: lines of a pipe and whole files are texts too', async () => {
    const file = join(home, 'two-lines.txt')
    await writeFile(file, 'a cat\nand a dog')
    const [piped, both] = await Promise.all([
      freehold(['embed', '--json'], { input: 'a cat\n\na dog\n' }),
      freehold(['embed', '--json', '--file', file, '--model', BUNDLED['acorn-small'] ?? '', 'one']),
    ])
    expect(JSON.parse(piped.stdout).embeddings).toHaveLength(2)
    expect(JSON.parse(both.stdout)).toMatchObject({
      embeddings: [expect.any(Array), expect.any(Array)],
      promptTokens: expect.any(Number),
    })
  })

  it('behaviour: the process in the background computes the same', async () => {
    const here = await freehold(['embed', 'a cat'])
    const there = await freehold(['embed', 'a cat'], { on: true })
    expect((await freehold(['ps'])).stdout).toMatch(/^acorn /m)
    expect((await freehold(['stop'])).code).toBe(0)
    const [one, other] = [vectorsOf(here.stdout)[0] ?? [], vectorsOf(there.stdout)[0] ?? []]
    expect(one.reduce((sum, x, i) => sum + x * (other[i] ?? 0), 0)).toBeCloseTo(1, 4)
  })

  it.each([
    ['no text', ['embed'], 2, /there is no text/],
    ['a model that is not here', ['embed', '--model', 'nobody', 'x'], 1, /no model "nobody"/],
    [
      'a file that is not there',
      ['embed', '--file', '/nowhere/x'],
      2,
      /\/nowhere\/x cannot be read/,
    ],
    ['a text that is too long', ['embed', 'word '.repeat(3_000)], 1, /the context of acorn is/],
  ])('behaviour: %s is said clearly', async (_name, args, status, words) => {
    const { code, stdout, stderr } = await freehold(args)
    expect({ code, stdout }).toEqual({ code: status, stdout: '' })
    expect(stderr).toMatch(words)
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})
