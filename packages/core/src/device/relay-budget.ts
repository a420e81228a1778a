import type { Reservation } from '../clearing/budget.ts'
import type { Parts } from './parts.ts'

/**
 * Sets aside what a relayer asks, before anything is signed. What a person agreed to counts in the day
 * and is not refused: who says yes to a fee has said what it may cost. What happens by itself stays
 * below the owner's ceiling for a day.
 * @throws CeilingError
 */
export function reserveFee(
  { budget, allowed }: Pick<Parts, 'budget' | 'allowed'>,
  fee: bigint,
  { isAgreed }: { isAgreed: boolean },
): Promise<Reservation> {
  const isFree = fee === 0n
  // Leaving is free, and waits for no budget.
  const perDay = isAgreed || isFree ? null : (allowed.ceilings?.perDay ?? null)
  return budget.reserve(fee, { perRequest: null, perDay }, 'a relayer')
}

/**
 * What was set aside for one wish, whoever it was handed to: one of them at most can happen. What
 * nobody can say was not done stays counted.
 */
export class WishFees {
  readonly #open: { fee: bigint; reservation: Reservation }[] = []

  add(fee: bigint, reservation: Reservation): void {
    this.#open.push({ fee, reservation })
  }

  /** The last one was refused: it cannot happen. */
  async drop(): Promise<void> {
    await this.#open.pop()?.reservation.close(0n)
  }

  /** It happened, for this fee. */
  async close(fee: bigint): Promise<void> {
    const paid = this.#open.findLast((one) => one.fee >= fee)
    for (const one of this.#open) await one.reservation.close(one === paid ? fee : 0n)
  }
}
