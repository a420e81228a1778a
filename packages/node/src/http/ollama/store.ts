import { z } from 'zod'
import { HttpError, ollamaError } from '../errors.ts'
import { route } from '../route.ts'
import { NDJSON, streamResponse } from '../stream.ts'

const nameFields = { model: z.string().min(1).optional(), name: z.string().min(1).optional() }

export const pull = route({
  method: 'POST',
  path: '/api/pull',
  about:
    'Downloads a model, telling its progress as lines of JSON unless `stream` is false. A name without a host (`llama3.2`) is one of Ollama’s library, and is called so here too; others are those of `freehold pull`.',
  body: z.object({ ...nameFields, stream: z.boolean().optional() }),
  refuses: { insecure: [false], password: [], username: [] },
  async handle({ body, asker, hangUp, id }, parts) {
    const name = nameOf(body)
    const steps = parts.models.store.pull(name, { signal: asker.signal })
    if (body.stream === false) {
      for await (const _ of steps);
      return Response.json({ status: 'success' })
    }
    async function* lines(): AsyncGenerator<string> {
      for await (const step of steps) yield `${JSON.stringify(step)}\n`
    }
    return streamResponse(lines(), {
      contentType: NDJSON,
      onFailure: (problem) => `${JSON.stringify(ollamaError(problem, id))}\n`,
      ping: null,
      onCancel: hangUp,
    })
  },
})

export const copy = route({
  method: 'POST',
  path: '/api/copy',
  about: 'Gives a model another name.',
  body: z.object({ source: z.string().min(1), destination: z.string().min(1) }),
  async handle({ body }, parts) {
    await parts.models.store.copy(body.source, body.destination)
    return new Response(null, { status: 200 })
  },
})

export const remove = route({
  method: 'DELETE',
  path: '/api/delete',
  about: 'Removes a model.',
  body: z.object(nameFields),
  async handle({ body }, parts) {
    const name = nameOf(body)
    const model = await parts.models.find(name)
    if (model !== null) parts.pool.unload(model)
    await parts.models.store.remove(name)
    return new Response(null, { status: 200 })
  },
})

export const create = route({
  method: 'POST',
  path: '/api/create',
  about:
    'Gives a model another name (`from`). Everything else that Ollama can make of it is refused by name.',
  body: z.object({ ...nameFields, from: z.string().min(1), stream: z.boolean().optional() }),
  refuses: {
    adapters: [],
    draft: [],
    files: [],
    license: [],
    messages: [[]],
    parameters: [{}],
    quantize: [''],
    system: [''],
    template: [''],
  },
  async handle({ body }, parts) {
    await parts.models.store.copy(body.from, nameOf(body))
    const status = { status: 'success' }
    if (body.stream === false) return Response.json(status)
    const headers = { 'content-type': NDJSON }
    return new Response(`${JSON.stringify(status)}\n`, { headers })
  },
})

function nameOf({ model, name }: { model?: string | undefined; name?: string | undefined }) {
  const given = model ?? name
  if (given !== undefined) return given
  throw new HttpError({ status: 400, param: 'model', what: 'model is missing' })
}
