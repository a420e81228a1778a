import { NoSuchModelError } from '../../serving/errors.ts'
import type { ManagedModel } from '../../serving/model-manager.ts'
import { route } from '../route.ts'

export const listModels = route({
  method: 'GET',
  path: '/v1/models',
  about: 'The models that are on this device.',
  async handle(_, { models }) {
    return Response.json({ object: 'list', data: (await models.list()).map(modelOf) })
  },
})

export const oneModel = route({
  method: 'GET',
  path: '/v1/models/:model{.+}',
  about: 'One of them; its name may hold slashes and colons, raw or escaped.',
  async handle({ context }, { models }) {
    const name = context.req.param('model') ?? ''
    const model = await models.find(name)
    if (model !== null) return Response.json(modelOf(model))
    throw new NoSuchModelError({ what: `there is no model "${name}" here` })
  },
})

function modelOf({ name, modifiedMs }: ManagedModel) {
  const created = Math.floor(modifiedMs / 1_000)
  return { id: name, object: 'model', created, owned_by: 'freehold' }
}
