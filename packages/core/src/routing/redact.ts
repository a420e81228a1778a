import type { Kind } from './detect/finding.ts'
import { joinOverlaps } from './detect/join-overlaps.ts'
import type { Place } from './policy.ts'

/** Placeholders and the values that they stand for. */
export type Placeholders = ReadonlyMap<string, string>

export interface Redacted {
  texts: string[]
  placeholders: Placeholders
  /** How many places of which kind were replaced. */
  counts: Partial<Record<Kind, number>>
}

const PLACEHOLDER = /\[[A-Z_]+_\d+\]/g

/**
 * Replaces what was found by placeholders such as `[MAIL_1]`, the same for the same value. They are numbered
 * from the first text on, so that a conversation that grows keeps those that it had. A placeholder that
 * already stands in a text is left to it: what is put back is always what was taken.
 * @param places parts of the texts, which may overlap
 */
export function redact(texts: readonly string[], places: readonly Place[]): Redacted {
  const taken = new Set(texts.flatMap((text) => text.match(PLACEHOLDER) ?? []))
  const byValue = new Map<string, string>()
  const placeholders = new Map<string, string>()
  const counts: Partial<Record<Kind, number>> = {}
  const last = new Map<Kind, number>()

  function placeholderOf(kind: Kind, value: string): string {
    const known = byValue.get(value)
    if (known !== undefined) return known
    let [number, name] = [last.get(kind) ?? 0, '']
    do name = `[${kind.toUpperCase().replaceAll('-', '_')}_${++number}]`
    while (taken.has(name))
    last.set(kind, number)
    byValue.set(value, name)
    placeholders.set(name, value)
    return name
  }

  const byText = Map.groupBy(places, ({ text }) => text)
  const redacted = texts.map((text, index) => {
    const pieces: string[] = []
    let at = 0
    for (const { kind, start, end } of joinOverlaps(byText.get(index) ?? [])) {
      pieces.push(text.slice(at, start), placeholderOf(kind, text.slice(start, end)))
      counts[kind] = (counts[kind] ?? 0) + 1
      at = end
    }
    return [...pieces, text.slice(at)].join('')
  })
  return { texts: redacted, placeholders, counts }
}

/** Puts values back where their placeholders come, also where one comes in pieces. */
export interface Restorer {
  /** @returns the text that is certain now */
  push(text: string): string
  /** @returns what was held back */
  end(): string
}

export interface RestoreInit {
  /** Whether the values are put into texts of JSON, as in arguments of a tool. @default false */
  isJson?: boolean | undefined
}

export function createRestorer(placeholders: Placeholders, init: RestoreInit = {}): Restorer {
  const names = [...placeholders.keys()]
  const longest = Math.max(0, ...names.map((name) => name.length))
  const written = (name: string) => {
    const value = placeholders.get(name) as string
    return init.isJson ? JSON.stringify(value).slice(1, -1) : value
  }
  let held = ''

  function take(text: string, isLast: boolean): string {
    const whole = held + text
    const pieces: string[] = []
    let from = 0
    held = ''
    for (let at = whole.indexOf('['); at >= 0; at = whole.indexOf('[', at + 1)) {
      const next = whole.slice(at, at + longest)
      const name = next.slice(0, next.indexOf(']') + 1)
      if (placeholders.has(name)) {
        pieces.push(whole.slice(from, at), written(name))
        from = at + name.length
      } else if (
        !isLast &&
        names.some((each) => each.length > next.length && each.startsWith(next))
      ) {
        held = whole.slice(at)
        return [...pieces, whole.slice(from, at)].join('')
      }
    }
    return [...pieces, whole.slice(from)].join('')
  }

  return {
    push: (text) => (longest === 0 ? text : take(text, false)),
    end: () => take('', true),
  }
}

/** The same text with the values where their placeholders are. */
export function restore(text: string, placeholders: Placeholders, init?: RestoreInit): string {
  const restorer = createRestorer(placeholders, init)
  return restorer.push(text) + restorer.end()
}
