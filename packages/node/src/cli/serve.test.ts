import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUNDLED } from '../models/acorn.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let home: string
const children = new Set<ChildProcess>()

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-serve-'))
})
afterAll(async () => {
  for (const child of children) if (child.kill('SIGKILL')) await once(child, 'close')
  await rm(home, { recursive: true, force: true })
})

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: { ...process.env, FREEHOLD_HOME: home, FREEHOLD_API_TOKEN: 'secret', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  child.once('close', () => children.delete(child))
  return child
}

async function freehold(...args: readonly string[]) {
  const child = start(args)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

/** A process that serves, and where. */
async function serve(env?: Record<string, string>) {
  const child = start(['serve', '--port', '0', '--json'], env)
  const [line] = await once(createInterface(child.stdout), 'line')
  return { child, url: String(JSON.parse(line).url) }
}

/** Status of a request with a `Host` that fetch would not let us choose. */
async function statusAs(url: string, host: string): Promise<number | undefined> {
  const asked = request(`${url}/health`, { headers: { host } })
  asked.end()
  const [response] = await once(asked, 'response')
  response.resume()
  return response.statusCode
}

describe('freehold serve', { timeout: 240_000 }, () => {
  it('default: serves, is found by ps and stop, and ends with Ctrl-C', async () => {
    const { child, url } = await serve()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok' })
    expect(await statusAs(url, 'evil.com')).toBe(403)
    expect((await fetch(`${url}/v1/models`)).status).toBe(401)
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret' },
      body: JSON.stringify({
        model: 'acorn',
        messages: [{ role: 'user', content: 'What is 7 plus 5?' }],
        temperature: 0,
      }),
    })
    expect(await answer.json()).toMatchObject({
      choices: [{ message: { content: expect.stringContaining('12') } }],
    })

    const [second, listed, nobody] = await Promise.all([
      freehold('serve', '--port', '0'),
      freehold('ps'),
      freehold('stop', 'nobody'),
    ])
    expect(second.code).toBe(2)
    expect(second.stderr).toContain(`process ${child.pid} is at ${url}`)
    expect(listed.stdout).toMatch(
      /^NAME +ID +SIZE +PROCESSOR +CONTEXT +RUNNING +WAITING +UNTIL\nacorn +[0-9a-f]{12} +3 MB +100% CPU +1024 +0 +0 +.+ from now/,
    )
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringMatching(/no model "nobody"/) })
    expect(await freehold('stop', '--all')).toMatchObject({ code: 0, stderr: 'Stopped acorn\n' })
    expect(JSON.parse((await freehold('ps', '--json')).stdout)).toEqual([])

    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([0, null])
    const gone = await freehold('ps')
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringMatching(/freehold serve starts/) })
  })

  it('behaviour: a process that was killed is in nobody’s way', async () => {
    const { child } = await serve()
    child.kill('SIGKILL')
    await once(child, 'close')
    const { child: next } = await serve()
    next.kill('SIGTERM')
    expect(await once(next, 'close')).toEqual([0, null])
  })

  it('behaviour: texts are kept while nobody asks, unless settings or variable say no', async () => {
    const content = `${'You are an owl who knows all maps. '.repeat(9)}Where is the sea?`
    const body = { model: 'acorn', messages: [{ role: 'user', content }], max_tokens: 8 }
    /** Files of texts that are there after one answer and the end of the process. */
    const keptBy = async (settings: object, env: Record<string, string> = {}) => {
      const own = await mkdtemp(join(home, 'keeps-'))
      await writeFile(join(own, 'config.json'), JSON.stringify(settings))
      const { child, url } = await serve({ ...env, FREEHOLD_HOME: own })
      const headers = { authorization: 'Bearer secret' }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      expect((await fetch(`${url}/v1/chat/completions`, init)).status).toBe(200)
      child.kill('SIGINT')
      expect(await once(child, 'close')).toEqual([0, null])
      return (await readdir(own, { recursive: true })).filter((name) => name.endsWith('.kv')).length
    }
    expect(await keptBy({})).toBe(1)
    expect(await keptBy({ keepPrefixes: false })).toBe(0)
    expect(await keptBy({}, { FREEHOLD_NOHISTORY: '1' })).toBe(0)
  })

  it('behaviour: what makes no sense is said clearly', async () => {
    const acorn = BUNDLED.acorn ?? ''
    await mkdir(join(home, 'copies'))
    await copyFile(acorn, join(home, 'copies', 'acorn-q8_0.gguf'))
    const [wrong, far, twice, kv, none] = await Promise.all([
      freehold('serve', '--keep-alive', 'soon'),
      freehold('serve', '--port', '70000'),
      freehold('serve', acorn, join(home, 'copies', 'acorn-q8_0.gguf'), '--port', '0'),
      freehold('serve', '--kv-type', 'q8_0', '--port', '0'),
      freehold('stop'),
    ])
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/It is like 5m/) })
    expect(far.code).toBe(2)
    expect(twice).toMatchObject({ code: 2, stderr: expect.stringMatching(/called acorn-q8_0/) })
    expect(kv).toMatchObject({ code: 2, stderr: expect.stringMatching(/Add --flash-attention/) })
    expect(none).toMatchObject({ code: 2, stderr: expect.stringMatching(/--all/) })
  })
})
