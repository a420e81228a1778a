import type { Device } from '@freehold/core/device/device'
import { describe, expect, it } from 'vitest'
import { describeBorrowed } from './describe-borrowed.ts'

type Written = Parameters<typeof describeBorrowed>[1]

/** A device that knows verdicts by receipt, and rungs by lender. */
function deviceOf(verdicts: Record<string, string>, rungs: Record<string, string>): Device {
  return {
    tables: {
      answers: {
        get: async (id: string) => verdicts[id] && { id, audit: { verdict: verdicts[id] } },
      },
    },
    peers: { rung: async (lender: string) => rungs[lender] ?? 'market' },
  } as unknown as Device
}

const partOf = (lender: string | null, receipt: string | null) => ({
  ...{ where: lender === null ? 'here' : 'peer', lender, receipt },
  ...{ tokens: 10, end: null, priceUnits: 3n },
})

const written = (changes: object): Written =>
  ({ parts: [], record: null, redacted: {}, ids: [1, 2, 3], ...changes }) as unknown as Written

describe('description of a borrowed answer', () => {
  it('default: its parts, and what the audit of the whole says', async () => {
    const device = deviceOf({ r1: 'pass' }, { a: 'friends' })
    const answer = written({ parts: [partOf('a', 'r1')], redacted: { mail: 1 } })
    expect(await describeBorrowed(device, answer, 'market')).toEqual({
      ...{ scope: 'market', rung: 'friends', check: 'pass', redacted: { mail: 1 } },
      parts: [{ ...partOf('a', 'r1'), priceUnits: '3' }],
    })
  })

  it('behaviour: the farthest lender counts, and one part without a pass is none', async () => {
    const device = deviceOf({ r1: 'pass', r2: 'pending' }, { a: 'own', b: 'friends', c: 'market' })
    const of = (...parts: object[]) => describeBorrowed(device, written({ parts }), 'market')
    const own = partOf('a', 'r1')
    expect(await of(own)).toMatchObject({ rung: 'own', check: 'pass' })
    expect(await of(own, partOf('b', 'r2'))).toMatchObject({ rung: 'friends', check: 'none' })
    expect(await of(own, partOf('c', 'r9'))).toMatchObject({ rung: 'market', check: 'none' })
  })

  it('behaviour: whoever broke off before a word is shown with its receipt, once', async () => {
    const device = deviceOf({ r1: 'fail' }, {})
    const record = { id: 'r1', lender: 'a', end: 'lost', priceUnits: 0n }
    const alone = await describeBorrowed(device, written({ record }), 'market')
    expect(alone.parts).toMatchObject([{ where: 'peer', receipt: 'r1', end: 'lost', tokens: 3 }])
    expect(alone.check).toBe('fail')
    const after = written({ record, parts: [partOf(null, null)] })
    const { parts } = await describeBorrowed(device, after, 'market')
    expect(parts.map(({ where, tokens }) => [where, tokens])).toEqual([
      ['here', 10],
      ['peer', 0],
    ])
    const known = written({ record, parts: [partOf('a', 'r1')] })
    expect((await describeBorrowed(device, known, 'market')).parts).toHaveLength(1)
  })
})
