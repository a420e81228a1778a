import type { Llama } from 'node-llama-cpp'

export interface NativeSampler {
  applyConfig(config: Record<string, unknown>): void
  dispose(): void
}

export interface NativeSamplers {
  new (model: object): NativeSampler
  acceptGrammarEvaluationStateToken(state: unknown, id: number): void
  canBeNextTokenForGrammarEvaluationState(state: unknown, id: number): boolean
}

interface Bindings {
  AddonSampler: NativeSamplers
}

const known = new WeakMap<Bindings, { shared: NativeSamplers; own: NativeSamplers }>()

/**
 * node-llama-cpp makes a sampler for each position that it computes, with an entry for each id of the
 * vocabulary: megabytes a token, which come free only when garbage is collected. Those that are done
 * with are used again here.
 * @returns `shared`: samplers that are used again, and so must all be told the same; `own`: others
 */
export function reuseSamplers(llama: Llama): { shared: NativeSamplers; own: NativeSamplers } {
  const bindings = (llama as unknown as { _bindings: Bindings })._bindings
  const before = known.get(bindings)
  if (before !== undefined) return before
  const own = bindings.AddonSampler
  const idle = new WeakMap<object, NativeSampler[]>()

  function Shared(model: object): NativeSampler {
    const free = idle.get(model) ?? []
    idle.set(model, free)
    const used = free.pop()
    if (used !== undefined) return used
    const made = new own(model)
    Object.defineProperty(made, 'dispose', { value: () => void free.push(made) })
    return made
  }
  // What belongs to the class itself, such as following a grammar, stays as it is.
  Object.setPrototypeOf(Shared, own)
  const shared = Shared as unknown as NativeSamplers
  Object.defineProperty(bindings, 'AddonSampler', { value: shared })
  known.set(bindings, { shared, own })
  return { shared, own }
}
