import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BUNDLED } from '../models/acorn.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const SMALL = BUNDLED['acorn-small']!
const PASSPHRASE = { FREEHOLD_PASSPHRASE: 'correct horse battery staple' }

let folder: string
let lender: ChildProcess | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-seed-'))
})
afterEach(async () => {
  if (lender?.kill('SIGTERM')) await once(lender, 'close')
  lender = undefined
  await rm(folder, { recursive: true, force: true })
})

function start(home: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: { ...process.env, ...PASSPHRASE, FREEHOLD_HOME: join(folder, home) },
  })
}

async function freehold(home: string, ...args: string[]) {
  const child = start(home, args)
  child.stdin?.end()
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close'),
  ])
  return { code, stdout, stderr, json: () => JSON.parse(stdout.trim().split('\n').at(-1) ?? '') }
}

/** @returns where it can be reached, once it has said all that `events` wait for */
async function lend(events: number, ...args: string[]): Promise<string> {
  lender = start('lender', ['lend', '--free', '--json', 'acorn-small', ...args])
  const lines = createInterface(lender.stdout!)
  let address = ''
  for await (const line of lines) {
    const event = JSON.parse(line)
    address ||= event.addresses?.[0] ?? ''
    if (--events === 0) break
  }
  return address
}

describe('freehold lend --seed', { timeout: 180_000 }, () => {
  it('default: a model that was marked as shared is pulled by its digest, without a vault', async () => {
    await freehold('lender', 'wallet', 'init', '--json')
    const path = join(folder, 'birch.gguf')
    await copyFile(SMALL, path)
    const { id } = (await freehold('lender', 'import', '--json', path)).json()
    expect((await freehold('lender', 'share', '--json', 'birch')).json()).toEqual([
      { id, names: [expect.stringMatching(/^birch/)] },
    ])
    const address = await lend(2, '--seed')
    const pulled = await freehold('puller', 'pull', '--json', '--peer', address, `sha256:${id}`)
    expect(pulled.json()).toMatchObject({ status: 'success', id, isUpToDate: false })
    const { stdout } = await freehold('puller', 'egress', '--json')
    expect(stdout).toContain(`asks for the weights of ${id}`)
    // Who was told to share it no more is another process: what it seeds was read when it began.
    expect((await freehold('lender', 'share', '--json', '--stop', 'birch')).json()).toEqual([])
  })

  it('behaviour: what was not marked is not handed out, and nothing is while seeding is off', async () => {
    await freehold('lender', 'wallet', 'init', '--json')
    const path = join(folder, 'birch.gguf')
    await copyFile(SMALL, path)
    const { id } = (await freehold('lender', 'import', '--json', path)).json()
    const address = await lend(2, '--seed')
    const refused = await freehold('puller', 'pull', '--peer', address, `sha256:${id}`)
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/not seeded here/) })
    if (lender?.kill('SIGTERM')) await once(lender, 'close')

    const config = join(folder, 'lender', 'config.json')
    await writeFile(config, JSON.stringify({ shared: [id] }))
    const silent = await lend(1)
    const off = await freehold('puller', 'pull', '--peer', silent, `sha256:${id}`)
    expect(off).toMatchObject({ code: 1, stderr: expect.stringMatching(/no peer has a model/) })
    expect(JSON.parse(await readFile(config, 'utf8'))).toEqual({ shared: [id] })
  })
})
