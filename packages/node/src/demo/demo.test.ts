import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DemoResult } from './demo.ts'
import { runProgram } from './processes.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-demo-test-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('demo', () => {
  it('default', { timeout: 300_000 }, async () => {
    const prompt = 'Tell me a long story about an owl and a river.'
    const temporary = join(folder, 'tmp')
    const args = ['demo', '--json', '--prompt', prompt, '--seed', '5']
    await mkdir(temporary)
    const result = (await runProgram(args, {
      home: join(folder, 'home'),
      passphrase: '',
      env: { TMPDIR: temporary },
    })) as DemoResult
    const { local, borrowed, audit, cheats, cleared } = result

    expect(local.socketsOpened).toBe(0)
    expect(local.tokens).toBeGreaterThan(0)
    expect(borrowed.tokens).toBeGreaterThanOrEqual(128)
    expect(borrowed.text.length).toBeGreaterThan(100)
    expect(audit.positions).toBe(borrowed.tokens)
    expect(audit.verdict).not.toBe('fail')

    expect(cheats.map(({ kind }) => kind)).toEqual(['seed-ignored', 'smaller-model', 'q2_k'])
    expect(cheats[0]).toMatchObject({ verdict: 'fail', answersUntilCaught: 1 })
    for (const { verdict, answers, paid, withheld } of cheats) {
      expect(answers).toBeLessThanOrEqual(12)
      expect(paid).toBeGreaterThan(0)
      expect(withheld > 0).toBe(verdict === 'fail')
    }

    expect(cleared).toMatchObject({ transactions: 1, conserved: true })
    expect(cleared.after.lender).toBeGreaterThan(cleared.before.lender ?? 0)
    // Nothing is left behind but what Node itself caches.
    expect((await readdir(temporary)).filter((name) => name.startsWith('freehold'))).toEqual([])
  })
})
