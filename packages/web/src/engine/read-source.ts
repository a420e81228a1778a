import { ModelError } from '@freehold/core/errors'

/** Gives the bytes of a model. @throws ModelError when they cannot be had */
export type ReadSource = (
  source: string,
  init: { signal?: AbortSignal | undefined },
) => Promise<Blob>

/** Fetches a URL: of this origin, of another that allows it, or the `blob:` of a chosen file. */
export const fetchSource: ReadSource = async (url, { signal }) => {
  try {
    const response = await fetch(url, signal ? { signal } : {})
    if (!response.ok) throw new Error(`the server says ${response.status}`)
    return await response.blob()
  } catch (cause) {
    signal?.throwIfAborted()
    throw new ModelError({
      what: `the model at ${url} cannot be fetched`,
      why: cause instanceof Error ? cause.message : String(cause),
      next: 'Look whether the address is right and the device online.',
      cause,
    })
  }
}
