import { isCancel, text } from '@clack/prompts'
import type { Ceilings, PriceQuote } from '@freehold/core/clearing/budget'
import { ceilingsOf } from '../config.ts'
import { changeSettings } from './change-settings.ts'
import { say } from './output.ts'

/** What is suggested for a day: so many answers like the one that is asked about. */
const ANSWERS_A_DAY = 20n

/**
 * Asks the person at the terminal what borrowed answers may cost, and keeps it in the settings: it is
 * asked once. Nothing has left the device by then.
 * @throws AbortError when the person interrupts
 */
export async function askCeilings({ atMost }: PriceQuote, config: string): Promise<Ceilings> {
  say(`A peer answers this for at most ${atMost} token units. What may borrowed answers cost?`)
  const perRequest = await ask('One answer, token units (or none)', atMost)
  const perDay = await ask('All of any 24 hours, token units (or none)', atMost * ANSWERS_A_DAY)
  const ceilings = {
    ...(perRequest !== null && { perRequest }),
    ...(perDay !== null && { perDay }),
  }
  try {
    await changeSettings(config, (old) => ({ ...old, ceilings }))
    say('That is kept. To change it: freehold wallet limits')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    say(`It holds for now and could not be kept: ${why}`)
  }
  return ceilingsOf({ ceilings }) as Ceilings
}

/** @returns null: no limit */
async function ask(message: string, suggested: bigint): Promise<number | null> {
  const answer = await text({
    message,
    placeholder: String(suggested),
    defaultValue: String(suggested),
    output: process.stderr,
    validate: (words = '') =>
      /^\s*(\d{0,15}|none)\s*$/.test(words) ? undefined : 'A whole number of token units, or none',
  })
  if (isCancel(answer)) throw new DOMException('interrupted', 'AbortError')
  const words = answer.trim()
  return words === 'none' ? null : Number(words === '' ? suggested : words)
}
