import { computed } from '@preact/signals'
import { preferences } from '../app/preferences.ts'
import { de } from './de.ts'
import { en, type Words } from './en.ts'

/** The languages of the app, each by its own name. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const
export type Language = keyof typeof LANGUAGES

const ALL: Record<Language, Words> = { en, de }

/** The person's choice, else the first language of theirs that the app speaks. */
export const language = computed<Language>(() => {
  const { language: chosen } = preferences.value
  const wanted = chosen === null ? navigator.languages : [chosen]
  const known = wanted.map((tag) => tag.split('-')[0] ?? '').find((tag) => tag in ALL)
  return (known as Language | undefined) ?? 'en'
})

/** A sentence in the person's language. */
export function say(key: keyof Words, values: Readonly<Record<string, string | number>> = {}) {
  return ALL[language.value][key].replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
    name in values ? String(values[name]) : whole,
  )
}

/** Such as `3.4 MB`. */
export function saySize(bytes: number): string {
  const [value, unit] = bytes >= 1e9 ? [bytes / 1e9, 'gigabyte'] : [bytes / 1e6, 'megabyte']
  return new Intl.NumberFormat(language.value, {
    style: 'unit',
    unit,
    maximumFractionDigits: value >= 100 ? 0 : 1,
  }).format(value)
}

/** Such as `1,000,000 units`. */
export function sayUnits(units: bigint): string {
  return say('units', { amount: new Intl.NumberFormat(language.value).format(units) })
}
