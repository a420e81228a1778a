import { arch, cpus, platform, totalmem } from 'node:os'

/** A goal that a figure is held against. */
export interface Goal {
  name: string
  /** Such as `>= 0.98`. */
  goal: string
  value: number
  met: boolean
}

export interface BenchResult {
  /** What the figures were measured on and how. */
  conditions: Record<string, unknown>
  figures: Record<string, unknown>
  goals: Goal[]
}

export interface BenchContext {
  /** What comes after the benchmark's name. */
  args: readonly string[]
  /** Tells how far it is, on stderr. */
  say: (text: string) => void
}

/** One benchmark: `npm run bench -- NAME`. */
export interface Bench {
  summary: string
  run(context: BenchContext): Promise<BenchResult>
}

/** The machine, for the conditions of every figure. */
export interface Machine {
  cpu: string
  cores: number
  memoryGiB: number
  /** Platform and architecture. */
  system: string
  node: string
}

export function machine(): Machine {
  const [cpu] = cpus()
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()}-${arch()}`,
    node: process.version,
  }
}

/** Holds a figure against a goal written like `>= 0.98` or `<= 5`. */
export function goal(name: string, text: string, value: number): Goal {
  const [, sign, limit] = /^(>=|<=) (-?[\d.]+)$/.exec(text) ?? []
  if (sign === undefined) throw new RangeError(`"${text}" is no goal`)
  const met = sign === '>=' ? value >= Number(limit) : value <= Number(limit)
  return { name, goal: text, value, met }
}
