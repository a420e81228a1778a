/** What one answer took of the machine’s energy. Told to its owner, and to nobody else. */
export interface Energy {
  joules: number
  /** Who said so: the processor’s counters, or what the battery gave. */
  source: 'rapl' | 'battery'
}

/** Measures what answers take. */
export interface EnergyMeter {
  /** An answer begins. @returns what ends it; null: this machine does not tell */
  begin(): Promise<() => Promise<Energy | null>>
}

/** A counter that rises, in joules; null: it cannot be read now. */
export interface EnergyCounter {
  source: Energy['source']
  read(): Promise<number | null>
}

/**
 * Shares what a machine takes among the answers that run: what it would take without any counts too,
 * since nobody can tell it apart.
 * @param counter null: this machine has none
 */
export function createEnergyMeter(counter: EnergyCounter | null): EnergyMeter {
  const running = new Set<{ joules: number; isKnown: boolean }>()
  let last: number | null = null
  let turn: Promise<void> = Promise.resolve()

  /** Gives each that runs its share of what was taken since the last look. */
  async function share(from: EnergyCounter): Promise<void> {
    const now = await from.read()
    for (const one of running) {
      if (now === null || last === null) one.isKnown = false
      else one.joules += (now - last) / running.size
    }
    last = now
  }

  return {
    begin: async () => {
      if (counter === null) return async () => null
      const one = { joules: 0, isKnown: true }
      turn = turn.then(async () => {
        await share(counter)
        running.add(one)
      })
      await turn
      return async () => {
        turn = turn.then(() => share(counter)).then(() => void running.delete(one))
        await turn
        return one.isKnown ? { joules: one.joules, source: counter.source } : null
      }
    },
  }
}
