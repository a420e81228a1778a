/** What one of several generators gave, or that it ended. */
export type Merged<T, Return> =
  | { index: number; done: false; value: T }
  | { index: number; done: true; value: Return }

/** Runs generators side by side. The first failure ends all. */
export async function* merge<T, Return>(
  generators: readonly AsyncGenerator<T, Return>[],
): AsyncGenerator<Merged<T, Return>, void> {
  const next = async (index: number): Promise<Merged<T, Return>> => {
    const step = await (generators[index] as AsyncGenerator<T, Return>).next()
    return step.done
      ? { index, done: true, value: step.value }
      : { index, done: false, value: step.value }
  }
  const pending = new Map(generators.map((_, index) => [index, next(index)]))
  try {
    while (pending.size > 0) {
      const step = await Promise.race(pending.values())
      if (step.done) pending.delete(step.index)
      else pending.set(step.index, next(step.index))
      yield step
    }
  } finally {
    for (const [index, step] of pending) {
      step.catch(() => {})
      void generators[index]?.return(undefined as never).catch(() => {})
    }
  }
}
