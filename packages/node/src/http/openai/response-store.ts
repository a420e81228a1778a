import type { TemplateMessage } from '@freehold/core/device/text'
import type { Storage } from '@freehold/core/storage'
import { HttpError } from '../errors.ts'

/** A response that was kept, and the conversation up to its end, without instructions. */
interface KeptResponse {
  response: { id: string; created_at: number; [more: string]: unknown }
  messages: TemplateMessage[]
}

/** Responses that can be asked for again and gone on from. */
export interface ResponseStore {
  /** @throws HttpError when it is not there */
  get(id: string, param?: string): Promise<KeptResponse>
  keep(kept: KeptResponse): Promise<void>
  remove(id: string): Promise<void>
}

/** As long as OpenAI keeps them. */
const KEPT_SECONDS = 30 * 86_400
const MOST_KEPT = 2_000
/** Looking for old ones takes a while, so not at each response. */
const LOOK_EVERY = 100

const stores = new WeakMap<Storage, ResponseStore>()

/** The responses in a storage; a thousand make some megabytes. */
export function responseStore(storage: Storage): ResponseStore {
  const known = stores.get(storage)
  if (known !== undefined) return known
  const table = storage.table<KeptResponse>('responses')
  let count = 0

  async function forgetOld(nowSeconds: number): Promise<void> {
    const rows = (await table.list()).sort(([, a], [, b]) => created(b) - created(a))
    for (const [index, [id, row]] of rows.entries()) {
      const isOld = created(row) < nowSeconds - KEPT_SECONDS
      if (isOld || index >= MOST_KEPT) await table.update(id, () => undefined)
    }
  }

  async function get(id: string, param = 'response_id'): Promise<KeptResponse> {
    const kept = await table.get(id)
    if (kept !== undefined) return kept
    throw new HttpError({
      status: 404,
      param,
      code: 'response_not_found',
      what: `there is no response ${id.slice(0, 80)}`,
    })
  }

  const store: ResponseStore = {
    get,
    keep: async (kept) => {
      await table.put(kept.response.id, kept)
      if (count++ % LOOK_EVERY === 0) await forgetOld(created(kept))
    },
    remove: async (id) => {
      await get(id)
      await table.update(id, () => undefined)
    },
  }
  stores.set(storage, store)
  return store
}

function created({ response }: KeptResponse): number {
  return response.created_at
}
