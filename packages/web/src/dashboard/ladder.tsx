import { RUNGS } from '../app/rungs.ts'
import { say } from '../words/words.ts'
import type { DeviceOverview } from './device-client.ts'

const STEPS = ['own', 'friends', 'market'] as const

/** Who is known, by how far it is: the ladder that a request may climb. */
export function Ladder({ peers }: { peers: DeviceOverview['peers'] }) {
  return (
    <ol class="ladder">
      <li>
        <b>{say('scopeDevice')}</b>
      </li>
      {STEPS.map((rung) => {
        const there = peers.filter((peer) => peer.rung === rung)
        return (
          <li key={rung}>
            <b>{say(RUNGS[rung])}</b> <span class="muted">{there.length}</span>
            <ul class="plain">
              {there.map(({ device, models, isPaid }) => (
                <li key={device}>
                  <code>{device}</code> · {models.join(', ') || say('noOffer')}
                  {models.length > 0 && !isPaid && ` · ${say('priceFree')}`}
                </li>
              ))}
            </ul>
          </li>
        )
      })}
    </ol>
  )
}
