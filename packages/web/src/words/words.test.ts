import { describe, expect, it } from 'vitest'
import { de } from './de.ts'
import { en } from './en.ts'

const placesOf = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort()

describe('words', () => {
  it.each(Object.keys(en) as (keyof typeof en)[])(
    'default: %s has the same places to fill in each language',
    (key) => {
      expect(de[key]).not.toBe('')
      expect(placesOf(de[key])).toEqual(placesOf(en[key]))
    },
  )
})
