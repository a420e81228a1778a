/** Numbered places that are taken and given back; who finds none waits in line. */
export interface Slots {
  /**
   * Takes a place, waiting for one.
   * @param choose which of the free places, which come in the order of their giving back; the first
   * when it is left out
   * @throws the signal's reason, or the reason of `close`
   */
  take(signal?: AbortSignal, choose?: (free: readonly number[]) => number): Promise<number>
  give(slot: number): void
  /** Turns all away who wait now and later. */
  close(reason: Error): void
}

/** Creates `count` free places, numbered from 0. */
export function createSlots(count: number): Slots {
  const free = Array.from({ length: count }, (_, index) => index)
  const line = new Set<{ accept: (slot: number) => void; refuse: (reason: unknown) => void }>()
  let closed: Error | undefined

  return {
    async take(signal, choose) {
      signal?.throwIfAborted()
      if (closed !== undefined) throw closed
      const wanted = choose === undefined || free.length === 0 ? free[0] : choose(free)
      const slot = free.find((other) => other === wanted)
      if (slot !== undefined) {
        free.splice(free.indexOf(slot), 1)
        return slot
      }
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      const place = { accept: resolve, refuse: reject }
      const onAbort = () => {
        line.delete(place)
        reject(signal?.reason)
      }
      line.add(place)
      signal?.addEventListener('abort', onAbort, { once: true })
      return promise.finally(() => signal?.removeEventListener('abort', onAbort))
    },
    give(slot) {
      const [next] = line
      if (next === undefined) {
        free.push(slot)
        return
      }
      line.delete(next)
      next.accept(slot)
    },
    close(reason) {
      closed = reason
      for (const place of line) place.refuse(reason)
      line.clear()
    },
  }
}
