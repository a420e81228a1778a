import { isCancel, text } from '@clack/prompts'
import type { Ceilings, PriceQuote } from '@freehold/core/clearing/budget'
import { ceilingsOf, type Paths } from '../config.ts'
import { changeSettings } from './change-settings.ts'
import { say } from './output.ts'

/** Proposed: this answer some times over, and a day of such answers. */
const ANSWERS = 4n
const A_DAY = 25n

/**
 * Asks a person once what borrowed answers may cost, and keeps it in the settings.
 * @throws AbortError when the person interrupts
 */
export async function askCeilings(
  { config }: Pick<Paths, 'config'>,
  { prices, atMost, promptTokens, maxTokens }: PriceQuote,
): Promise<Ceilings> {
  say('This answer is borrowed for money, and nobody has said yet what that may cost.')
  say(
    `Its lender asks ${prices.prompt} token units for a million prompt tokens and ${prices.output} ` +
      `for a million tokens of answer: at most ${atMost} for these ${promptTokens} and up to ${maxTokens}.`,
  )
  const perRequest = proposed(atMost)
  const one = await ask(`Most for one answer${inTokens(perRequest, prices.output)}`, perRequest)
  const perDay = (one ?? perRequest) * A_DAY
  const day = await ask(`Most for any 24 hours${inTokens(perDay, prices.output)}`, perDay)
  const ceilings = {
    ...(one === null ? {} : { perRequest: Number(one) }),
    ...(day === null ? {} : { perDay: Number(day) }),
  }
  await changeSettings(config, (old) => ({ ...old, ceilings }))
  say('Kept. freehold wallet limits shows and changes it.')
  return ceilingsOf({ ceilings }) ?? { perRequest: null, perDay: null }
}

/** A round number that answers like this one stay below. */
export function proposed(atMost: bigint): bigint {
  const least = atMost * ANSWERS
  for (let step = 1n; ; step *= 10n) {
    for (const digit of [1n, 2n, 5n]) if (digit * step >= least) return digit * step
  }
}

function inTokens(units: bigint, perMillion: number): string {
  if (perMillion === 0) return ''
  return ` (${units} are ${(units * 1_000_000n) / BigInt(perMillion)} tokens of answer)`
}

async function ask(message: string, initial: bigint): Promise<bigint | null> {
  const answer = await text({
    message: `${message}, in token units, or none`,
    initialValue: String(initial),
    validate: (value = '') =>
      value === 'none' || (/^\d+$/.test(value) && Number.isSafeInteger(Number(value)))
        ? undefined
        : 'A whole number of token units, or none',
    output: process.stderr,
  })
  if (isCancel(answer)) throw new DOMException('interrupted', 'AbortError')
  return answer === 'none' ? null : BigInt(answer)
}
