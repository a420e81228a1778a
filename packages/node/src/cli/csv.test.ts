import { expect, it } from 'vitest'
import { csv } from './csv.ts'

it('default: quotes what needs it, and nothing else', () => {
  const rows = [
    { day: '1970-01-01', price: 5n, why: 'a "word", and\nanother', seconds: 1.5, none: null },
    { day: '1970-01-02', price: -5n, why: '=1+1', seconds: 0, none: undefined },
  ]
  const names = Object.keys(rows[0] ?? {})
  expect(csv(names, rows)).toBe(
    'day,price,why,seconds,none\r\n' +
      '1970-01-01,5,"a ""word"", and\nanother",1.5,\r\n' +
      "1970-01-02,-5,'=1+1,0,",
  )
  expect(csv(names, [])).toBe('day,price,why,seconds,none')
})
