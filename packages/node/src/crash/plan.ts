import { seededDice } from '../demo/dice.ts'
import type { Death } from './protocol.ts'

/** Who dies in the course of one answer, where, and whether it dies again while it comes back. */
export interface Kill {
  who: 'lender' | 'borrower' | 'engine' | 'both'
  /** In its own process, or from outside when so many pieces of text were seen. */
  death: Death | { by: 'text'; after: number }
  /** Kills it once more while it starts; as a share of the time that a start takes. */
  again: number | null
  /** Tokens of the answer. */
  tokens: number
}

/** The kills of a campaign, as a function of its seed. */
export function planKills(seed: string, kills: number, engine: 'toy' | 'llama'): Kill[] {
  const dice = seededDice(seed)
  const upTo = (most: number) => 1 + Math.floor(dice() * most)
  const plan: Kill[] = []
  for (let left = kills; left > 0; ) {
    const roll = dice()
    const isNative = engine === 'llama'
    const who =
      roll < 0.4 ? 'lender' : roll < 0.8 ? 'borrower' : roll < 0.9 && isNative ? 'engine' : 'both'
    const tokens = 8 + upTo(40)
    const [how, isBefore] = [dice(), dice() < 0.5]
    const death: Kill['death'] =
      who === 'engine' || who === 'both' || how < 0.25
        ? { by: 'text', after: upTo(tokens) }
        : how < 0.6
          ? { by: 'commit', after: upTo(14), isBefore }
          : how < 0.85
            ? { by: 'write', after: upTo(40), isBefore }
            : { by: 'time', after: upTo(600), isBefore }
    const cost = who === 'both' ? 2 : 1
    const again = dice() < 0.2 && left > cost && who !== 'engine' ? dice() : null
    plan.push({ who, death, again, tokens })
    left -= cost + (again === null ? 0 : 1)
  }
  return plan
}
