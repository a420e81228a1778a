import { describe, expect, it } from 'vitest'
import { createTestApi } from './api.fixture.ts'

const status = async (
  headers: Record<string, string>,
  init: Parameters<typeof createTestApi>[0] = {},
  more: { method?: string; path?: string } = {},
) => {
  await using api = createTestApi(init)
  const method = more.method ?? 'GET'
  return api.send(more.path ?? '/v1/models', undefined, { method, headers })
}

describe('guard', () => {
  it.each(['localhost', 'localhost:1215', '127.0.0.1:1215', '[::1]:1215', 'LOCALHOST:8080'])(
    'default: asked as %s it answers',
    async (host) => {
      expect((await status({ host })).status).toBe(200)
    },
  )

  it.each(['evil.com', 'evil.com:1215', 'localhost.evil.com', '127.0.0.1.evil.com', '', '0.0.0.0'])(
    'behaviour: a name that was turned to this machine (%s) reaches nothing',
    async (host) => {
      const response = await status({ host })
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ error: { type: 'permission_error' } })
    },
  )

  it.each([
    'https://evil.com',
    'http://localhost.evil.com',
    'http://evil.com:1215',
    'null',
    'file://',
    'chrome-extension://abc',
  ])('behaviour: a page of %s reaches nothing, and may not read that', async (origin) => {
    const response = await status({ origin })
    expect(response.status).toBe(403)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    const asked = await status({ origin }, {}, { method: 'OPTIONS' })
    expect(asked.status).toBe(403)
  })

  it.each([
    'http://localhost:3000',
    'http://127.0.0.1',
    'https://localhost',
    'http://[::1]:5173',
    'app://obsidian.md',
    'tauri://localhost',
    'vscode-webview://1a2b',
  ])('behaviour: %s is of this machine', async (origin) => {
    const response = await status({ origin })
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-origin')).toBe(origin)
    expect(response.headers.get('vary')).toBe('origin')
  })

  it('behaviour: a page that loads us without naming itself reaches nothing', async () => {
    for (const site of ['cross-site', 'same-site']) {
      expect((await status({ 'sec-fetch-site': site })).status).toBe(403)
    }
    expect((await status({ 'sec-fetch-site': 'none' })).status).toBe(200)
    expect((await status({ 'sec-fetch-site': 'same-origin' })).status).toBe(200)
  })

  it('behaviour: other pages and names can be allowed', async () => {
    const init = { origins: ['https://chat.example'], hosts: ['host.docker.internal'] }
    const headers = { origin: 'https://chat.example', host: 'host.docker.internal:1215' }
    expect((await status(headers, init)).status).toBe(200)
  })

  it('behaviour: a preflight is answered without a token, for the network of the machine too', async () => {
    const headers = {
      origin: 'http://localhost:3000',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
      'access-control-request-private-network': 'true',
    }
    const response = await status(headers, { tokens: ['s'] }, { method: 'OPTIONS' })
    expect(response.status).toBe(204)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': 'http://localhost:3000',
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-allow-private-network': 'true',
    })
  })

  it('behaviour: where there are tokens, one of them is asked for', async () => {
    const init = { tokens: ['one', 'two'] }
    const bare = await status({}, init)
    expect(bare.status).toBe(401)
    expect(await bare.json()).toMatchObject({
      error: { type: 'authentication_error', code: 'invalid_api_key', param: null },
    })
    expect((await status({ authorization: 'Bearer on' }, init)).status).toBe(401)
    expect((await status({ authorization: 'Bearer two' }, init)).status).toBe(200)
    expect((await status({ 'x-api-key': 'one' }, init)).status).toBe(200)
    expect((await status({}, init, { path: '/health' })).status).toBe(200)
    expect((await status({}, init, { path: '/metrics' })).status).toBe(401)
  })

  it('behaviour: a token where none is asked for is fine', async () => {
    expect((await status({ authorization: 'Bearer ollama' })).status).toBe(200)
  })

  it('behaviour: each API is refused in its own words', async () => {
    const headers = { host: 'evil.com' }
    const ollama = await status(headers, {}, { path: '/api/tags' })
    expect(await ollama.json()).toEqual({ error: expect.stringContaining('evil.com') })
    const anthropic = await status(headers, {}, { path: '/v1/messages', method: 'POST' })
    expect(await anthropic.json()).toMatchObject({
      type: 'error',
      error: { type: 'permission_error' },
    })
  })
})
