import { setInterval } from 'node:timers/promises'
import { fromHex } from '@freehold/core/bytes'
import type { OpenedChannel } from '@freehold/core/device/channels'
import type { Device } from '@freehold/core/device/device'
import { peerName } from '@freehold/core/identity/peer-name'
import { printJson, say } from './output.ts'

const TEND_MS = 60_000

/** Opens the channels that lenders in use need, within the owner's limits, and says what it did. */
export async function tendChannels(
  device: Pick<Device, 'warm'>,
  { signal, isJson }: { signal: AbortSignal; isJson: boolean },
): Promise<void> {
  const opened = await device.warm.tend({ signal }).catch((error) => {
    if (!signal.aborted) say(`Opening channels waits: ${error}`)
    return []
  })
  for (const one of opened) {
    if (isJson) printJson({ event: 'opened', ...shownOpening(one) })
    else say(openingText(one))
  }
}

/** Goes on with it until the signal. */
export async function keepTending(
  device: Pick<Device, 'warm'>,
  { signal, everyMs = TEND_MS }: { signal: AbortSignal; everyMs?: number },
): Promise<void> {
  try {
    await tendChannels(device, { signal, isJson: false })
    for await (const _ of setInterval(everyMs, null, { signal })) {
      await tendChannels(device, { signal, isJson: false })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** What an opening, or adding to what was open, cost, for a person. */
export function openingText(opened: OpenedChannel): string {
  const { lender, deposit, fee } = shownOpening(opened)
  const cost = fee === 0n ? 'free of charge' : `for ${fee} token units`
  return `The channel to ${lender} now holds ${deposit} token units, ${cost}, within your limits`
}

function shownOpening({ record: { id, peer, deposit }, transaction, fee }: OpenedChannel) {
  return { channel: id, lender: peerName(fromHex(peer)), deposit, fee, transaction }
}
