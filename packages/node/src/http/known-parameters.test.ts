/** Every parameter that the clients' own types know works, is harmless, or gets 400 by its name. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTestApi } from './api.fixture.ts'
import { bodyParameters } from './body-parameters.ts'
import { ROUTES } from './routes.ts'

const require = createRequire(import.meta.url)

/** What could change no answer here: who asks, and how the other side caches. */
const HARMLESS = new Set([
  'cache_control',
  'prompt_cache_key',
  'prompt_cache_options',
  'safety_identifier',
  'user',
  'user_profile_id',
  'workspace_id',
])

const OPENAI = ['openai', 'resources']
const CHAT = [...OPENAI, 'chat', 'completions', 'completions.d.ts']
const ANTHROPIC = ['@anthropic-ai/sdk', 'resources', 'messages', 'messages.d.ts']
const OLLAMA = ['ollama', 'dist', 'browser.d.ts']

const KNOWN: readonly [string, string, readonly string[]][] = [
  ['/v1/chat/completions', 'ChatCompletionCreateParamsBase', CHAT],
  ['/v1/completions', 'CompletionCreateParamsBase', [...OPENAI, 'completions.d.ts']],
  ['/v1/embeddings', 'EmbeddingCreateParams', [...OPENAI, 'embeddings.d.ts']],
  ['/v1/responses', 'ResponseCreateParamsBase', [...OPENAI, 'responses', 'responses.d.ts']],
  ['/v1/messages', 'MessageCreateParamsBase', ANTHROPIC],
  ['/v1/messages/count_tokens', 'MessageCountTokensParams', ANTHROPIC],
  ['/api/chat', 'ChatRequest', OLLAMA],
  ['/api/generate', 'GenerateRequest', OLLAMA],
  ['/api/embed', 'EmbedRequest', OLLAMA],
  ['/api/embeddings', 'EmbeddingsRequest', OLLAMA],
  ['/api/pull', 'PullRequest', OLLAMA],
  ['/api/show', 'ShowRequest', OLLAMA],
  ['/api/copy', 'CopyRequest', OLLAMA],
  ['/api/create', 'CreateRequest', OLLAMA],
]

/** Names of the fields of an interface in a client's declarations. */
function fieldsOf([client = '', ...path]: readonly string[], name: string): string[] {
  // Their entry points lie at different depths.
  const entry = dirname(require.resolve(client)).split(/[/\\]/)
  const root = entry.slice(0, entry.lastIndexOf('node_modules') + 1).join('/')
  const text = readFileSync(join(root, client, ...path), 'utf8')
  const start = new RegExp(`interface ${name}\\b[^{]*\\{`).exec(text)
  if (start === null) throw new Error(`${client} has no ${name}`)
  const fields: string[] = []
  let depth = 1
  const rest = text.slice(start.index + start[0].length).replaceAll(/\/\*[\s\S]*?\*\//g, '')
  for (const line of rest.split('\n')) {
    const field = /^\s*'?(\w+)'?\??:/.exec(line)?.[1]
    if (depth === 1 && field !== undefined) fields.push(field)
    for (const char of line) depth += char === '{' ? 1 : char === '}' ? -1 : 0
    if (depth <= 0) break
  }
  return fields
}

const find = (path: string) => {
  const found = ROUTES.find((route) => route.path === path && route.body !== undefined)
  if (found === undefined) throw new Error(`nothing takes a body at ${path}`)
  return found
}
const top = (name: string) => name.replace(/[.*].*$/, '')

/** A body with a value at a path such as `options.num_gpu`. */
function withValue(base: object, path: string, value: unknown): object {
  const [name = '', ...rest] = path.split('.')
  const inner = rest.length === 0 ? value : withValue({}, rest.join('.'), value)
  return { ...base, [name]: inner }
}

/** What makes a body of each route whole. */
const BASE = {
  model: 'toy',
  max_tokens: 5,
  messages: [{ role: 'user', content: 'Hi' }],
  prompt: 'Hi',
  input: 'Hi',
  query: 'Hi',
  documents: ['Hi'],
  source: 'toy',
  destination: 'b',
  from: 'toy',
}
const baseOf = (path: string): object => {
  const takes = new Set(bodyParameters(find(path).body).map(top))
  return Object.fromEntries(Object.entries(BASE).filter(([name]) => takes.has(name)))
}

describe('known parameters', () => {
  it.each(KNOWN)('default: %s takes or refuses all of %s', (path, name, file) => {
    const { body, refuses = {} } = find(path)
    const answered = new Set([...bodyParameters(body), ...Object.keys(refuses)].map(top))
    const fields = fieldsOf(file, name)
    expect(fields).toContain(path === '/api/copy' ? 'source' : 'model')
    const dropped = fields.filter((field) => !answered.has(field) && !HARMLESS.has(field))
    // Anthropic's names somebody; OpenAI's is kept with the answer.
    expect(dropped).toEqual(path === '/v1/messages' ? ['metadata'] : [])
  })

  it('default: takes or refuses all options of Ollama', () => {
    const { body, refuses = {} } = find('/api/chat')
    const answered = new Set([...bodyParameters(body), ...Object.keys(refuses)])
    const dropped = fieldsOf(OLLAMA, 'Options').filter((name) => !answered.has(`options.${name}`))
    expect(dropped).toEqual([])
  })

  it.each(KNOWN.map(([path]) => path))('behaviour: %s names what it refuses', async (path) => {
    await using api = createTestApi()
    for (const param of Object.keys(find(path).refuses ?? {})) {
      const wrong = withValue(baseOf(path), param, 'asked for')
      const { status, json } = await api.ask(path, wrong)
      expect([param, status]).toEqual([param, 400])
      const text: string = json.error.message ?? json.error
      expect(text).toContain(`${param} is not supported`)
    }
    expect(api.scripted.written).toBe(0)
  })

  it.each(KNOWN.map(([path]) => path))(
    'behaviour: %s names what has a wrong type',
    async (path) => {
      await using api = createTestApi()
      for (const name of new Set(bodyParameters(find(path).body).map(top))) {
        const { status, json } = await api.ask(path, { ...baseOf(path), [name]: [[[]]] })
        expect([name, status]).toEqual([name, 400])
        const text: string = json.error.message ?? json.error
        expect(text).toMatch(new RegExp(`^${name}\\b.* is wrong`))
      }
      expect(api.scripted.written).toBe(0)
    },
  )
})
