import { describe, expect, it } from 'vitest'
import { createHandClock } from '../lending/lending.fixture.ts'
import { askHedged } from './ask-hedged.ts'

const HEDGE_MS = 1_200

/** A lender that says and ends what a test wants, when it wants. */
function lender(name: string) {
  const { promise: over, resolve: end } = Promise.withResolvers<void>()
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>()
  return {
    name,
    end,
    asked,
    onAsked,
    over,
    speak: (_ids: readonly number[]) => {},
    signal: null as AbortSignal | null,
    beside: [] as string[],
  }
}
type Lender = ReturnType<typeof lender>

function ask(lenders: readonly [Lender, ...Lender[]], changes: { hedgeMs?: number | null } = {}) {
  const clock = createHandClock()
  const owner = new AbortController()
  const words: number[] = []
  const nobody = Promise.withResolvers<void>()
  const done = askHedged(
    lenders[0],
    {
      ask: async (one, { signal, onTokens, beside }) => {
        Object.assign(one, { signal, speak: onTokens, beside: beside.map(({ name }) => name) })
        one.onAsked()
        const stopped = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => stopped.resolve())
        await Promise.race([one.over, stopped.promise])
        return signal.aborted ? `${one.name} cancelled` : one.name
      },
      next: async (asked) => {
        const other = lenders.find((one) => !asked.includes(one)) ?? null
        if (other === null) nobody.resolve()
        return other
      },
      hedgeMs: HEDGE_MS,
      onTokens: (ids) => words.push(...ids),
      signal: owner.signal,
      ...changes,
    },
    { clock },
  )
  const late = async () => {
    await clock.armed(HEDGE_MS)
    clock.pass(HEDGE_MS)
  }
  return { clock, owner, words, done, late, nobody: nobody.promise }
}

describe('askHedged', () => {
  it('default: asks nobody else when the first speaks in time', async () => {
    const [one, other] = [lender('one'), lender('other')]
    const { clock, words, done } = ask([one, other])
    await clock.armed(HEDGE_MS)
    one.speak([1])
    one.speak([2])
    one.end()
    expect(await done).toEqual({ main: 'one', others: [] })
    expect(words).toEqual([1, 2])
    expect(other.signal).toBeNull()
    expect(clock.waits()).toBe(0)
  })

  it('default: asks one more when there is no word, who goes on alone if it speaks first', async () => {
    const [one, other] = [lender('one'), lender('other')]
    const { words, done, late } = ask([one, other])
    await late()
    await other.asked
    expect(other.beside).toEqual(['one'])
    other.speak([7])
    expect(one.signal?.aborted).toBe(true)
    one.speak([1])
    other.speak([8])
    other.end()
    expect(await done).toEqual({ main: 'other', others: ['one cancelled'] })
    expect(words).toEqual([7, 8])
  })

  it('default: cancels the one more when the first speaks after all', async () => {
    const [one, other] = [lender('one'), lender('other')]
    const { words, done, late } = ask([one, other])
    await late()
    await other.asked
    one.speak([1])
    expect(other.signal?.aborted).toBe(true)
    one.end()
    expect(await done).toEqual({ main: 'one', others: ['other cancelled'] })
    expect(words).toEqual([1])
  })

  it('behaviour: asks a third in place of a second that failed, never three at once', async () => {
    const [one, second, third, fourth] = ['1', '2', '3', '4'].map(lender) as [
      Lender,
      Lender,
      Lender,
      Lender,
    ]
    const { clock, done, late } = ask([one, second, third, fourth])
    await late()
    await second.asked
    expect(clock.waits()).toBe(0)
    second.end()
    await third.asked
    expect(third.beside).toEqual(['1'])
    third.speak([1])
    third.end()
    expect(await done).toEqual({ main: '3', others: ['2', '1 cancelled'] })
    expect(fourth.signal).toBeNull()
  })

  it('behaviour: ends with the first when it ends without a word and nobody else is asked', async () => {
    const [one, other] = [lender('one'), lender('other')]
    const { clock, done } = ask([one, other])
    await clock.armed(HEDGE_MS)
    one.end()
    expect(await done).toEqual({ main: 'one', others: [] })
    expect(other.signal).toBeNull()
    expect(clock.waits()).toBe(0)
  })

  it('behaviour: waits for the second when the first ends without a word', async () => {
    const [one, other] = [lender('one'), lender('other')]
    const { words, done, late, nobody } = ask([one, other])
    await late()
    await other.asked
    one.end()
    await nobody
    other.speak([3])
    other.end()
    expect(await done).toEqual({ main: 'other', others: ['one'] })
    expect(words).toEqual([3])
  })

  it('behaviour: waits on when there is nobody else', async () => {
    const one = lender('one')
    const { clock, done, late, nobody } = ask([one])
    await late()
    await nobody
    one.speak([1])
    one.end()
    expect(await done).toEqual({ main: 'one', others: [] })
    expect(clock.waits()).toBe(0)
  })

  it('behaviour: never asks anybody else without a time to do so', async () => {
    const [one, other] = [lender('one'), lender('other')]
    const { clock, done } = ask([one, other], { hedgeMs: null })
    await one.asked
    expect(clock.waits()).toBe(0)
    one.end()
    expect(await done).toEqual({ main: 'one', others: [] })
  })

  it('behaviour: ends both when the asker cancels', async () => {
    const [one, other, third] = [lender('one'), lender('other'), lender('third')]
    const { owner, done, late } = ask([one, other, third])
    await late()
    await other.asked
    owner.abort()
    expect(await done).toEqual({ main: 'one cancelled', others: ['other cancelled'] })
    expect(third.signal).toBeNull()
  })
})
