import { signal } from '@preact/signals'

/** What a person chose for this app on this device. */
export interface Preferences {
  /** null: as the browser says. */
  language: string | null
  theme: 'auto' | 'light' | 'dark'
  /** What new chats begin with. */
  system: string
  /** SHA-256 of the model that answers; null: the one that comes with the app. */
  model: string | null
  shortcuts: boolean
  /** What a million tokens cost elsewhere, token units; empty: not said. */
  cloudPrice: string
}

const KEY = 'freehold-preferences'
const DEFAULTS: Preferences = {
  language: null,
  theme: 'auto',
  system: '',
  model: null,
  shortcuts: true,
  cloudPrice: '',
}

export const preferences = signal<Preferences>(DEFAULTS)

/** Reads what was chosen before; what cannot be read is as if nothing had been. */
export function readPreferences(): void {
  try {
    preferences.value = preferencesOf(JSON.parse(localStorage.getItem(KEY) ?? '{}'))
  } catch {
    preferences.value = DEFAULTS
  }
}

/** What was chosen, as far as it can be read. */
export function preferencesOf(kept: Record<string, unknown>): Preferences {
  const known = Object.entries(DEFAULTS).map(([name, value]) => {
    const found = kept[name]
    return [name, isLike(found, value) ? found : value]
  })
  return Object.fromEntries(known) as Preferences
}

export function prefer(change: Partial<Preferences>): void {
  preferences.value = { ...preferences.value, ...change }
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences.value))
  } catch {
    // A browser that keeps nothing: it holds until the page is closed.
  }
}

function isLike(found: unknown, value: unknown): boolean {
  return typeof found === (value === null ? 'string' : typeof value)
}
