import { toHex } from '@freehold/core/bytes'
import type { KnownOffer } from '@freehold/core/device/peers'
import { peerName } from '@freehold/core/identity/peer-name'
import { useEffect, useState } from 'preact/hooks'
import { askLender } from '../member/ask-lender.ts'
import { unitsOf } from '../member/member-settings.ts'
import { say, sayUnits } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Form } from './form.tsx'
import { LendingSection } from './lending-section.tsx'
import { PairSection } from './pair-section.tsx'
import { Problem } from './problem.tsx'
import { hrefOf } from './route.ts'
import { RUNGS } from './rungs.ts'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

interface Lender {
  known: KnownOffer
  peer: string
  /** Token units that its channel still holds; null: there is no channel. */
  left: bigint | null
  /** Why it is never asked again; null: it may be. */
  refused: string | null
}

/** Devices that lend, what they offer and for how much. */
export function LendersView({ app }: { app: App }) {
  const isOpen = app.member.keyRing.state.value === 'open'
  return (
    <section class="page">
      <h2>{say('lenders')}</h2>
      <p class="muted">{say('lendersNote')}</p>
      {isOpen ? (
        <>
          <Lenders app={app} />
          <PairSection app={app} />
          <LendingSection app={app} />
        </>
      ) : (
        <p>
          {say('needsKeys')} <a href={hrefOf({ view: 'wallet' })}>{say('wallet')}</a>
        </p>
      )}
    </section>
  )
}

function Lenders({ app }: { app: App }) {
  const [lenders, setLenders] = useState<Lender[] | null>(null)
  const [where, setWhere] = useState('')
  const work = useWork()
  const { member } = app

  const look = () =>
    member.use(async (device) => {
      const offers = await device.peers.offers()
      const describe = async (known: KnownOffer): Promise<Lender> => {
        const channel = await device.channels.payable(known)
        const standing = await device.tables.standing.get(toHex(known.lender))
        return {
          known,
          peer: peerName(known.lender),
          left: channel && channel.deposit - channel.cumulative,
          refused: standing?.refusedBecause ?? null,
        }
      }
      setLenders(await Promise.all(offers.map(describe)))
    })
  useEffect(() => work.run(look), [])

  const add = async () => {
    await member.use((device) => askLender(device, where))
    setWhere('')
    await look()
  }
  return (
    <>
      <Form onSubmit={() => work.run(add)}>
        <div class="fields">
          <TextField
            label={say('lenderWhere')}
            hint={say('lenderWhereHint')}
            value={where}
            onValue={setWhere}
            isRequired
            isWide
          />
        </div>
        <div class="row">
          <button type="submit" class="primary" disabled={work.isRunning}>
            {say('lenderAdd')}
          </button>
          <button type="button" disabled={work.isRunning} onClick={() => work.run(look)}>
            {say('lookAgain')}
          </button>
        </div>
      </Form>
      <Problem text={work.problem} />
      {work.isRunning && <p role="status">{say('asking')}</p>}
      {lenders?.length === 0 && <p class="muted">{say('noLenders')}</p>}
      <ul class="cards">
        {lenders?.map((lender) => (
          <LenderCard key={lender.peer} app={app} lender={lender} onChange={look} />
        ))}
      </ul>
    </>
  )
}

function LenderCard({
  app,
  lender: { known, peer, left, refused },
  onChange,
}: {
  app: App
  lender: Lender
  onChange: () => Promise<void>
}) {
  const [amount, setAmount] = useState('')
  const work = useWork()
  const { member } = app
  const { payment, models } = known.offer
  const { chain, friends } = member.settings.value
  const open = async () => {
    const units = unitsOf(amount)
    if (units === null) return
    await member.use((device) => device.channels.open(known, units))
    setAmount('')
    await onChange()
  }
  const befriend = async (isFriend: boolean) => {
    const others = friends.filter((friend) => friend !== peer)
    await member.change({ friends: isFriend ? [...others, peer] : others })
    await onChange()
  }
  return (
    <li class="card lender">
      <h3>
        <code>{peer}</code>
      </h3>
      <dl class="facts">
        <dt>{say('offeredModels')}</dt>
        <dd dir="auto">{models.map(({ name }) => name).join(', ')}</dd>
        <dt>{say('price')}</dt>
        <dd>
          {payment === null
            ? say('priceFree')
            : say('pricePerMillion', {
                prompt: sayUnits(BigInt(payment.prices.prompt)),
                output: sayUnits(BigInt(payment.prices.output)),
              })}
        </dd>
        <dt>{say('rung')}</dt>
        <dd>{say(RUNGS[known.rung])}</dd>
        {payment !== null && (
          <>
            <dt>{say('channelLeft')}</dt>
            <dd>{left === null ? say('noChannel') : sayUnits(left)}</dd>
          </>
        )}
      </dl>
      {refused !== null && <p class="problem">{say('refusedBecause', { why: refused })}</p>}
      {known.rung !== 'own' && (
        <label class="check">
          <input
            type="checkbox"
            checked={friends.includes(peer)}
            disabled={work.isRunning || app.conversation.writing.value !== null}
            onChange={({ currentTarget }) => {
              const { checked } = currentTarget
              work.run(() => befriend(checked))
            }}
          />
          {say('isFriend')}
        </label>
      )}
      {payment !== null && chain === null && (
        <p>
          {say('needsChain')} <a href={hrefOf({ view: 'wallet' })}>{say('wallet')}</a>
        </p>
      )}
      {payment !== null && chain !== null && left === null && refused === null && (
        <Form onSubmit={() => work.run(open)}>
          <div class="fields">
            <TextField
              label={say('channelAmount')}
              hint={say('channelAmountHint')}
              value={amount}
              onValue={setAmount}
              isRequired
            />
          </div>
          <div class="row">
            <button type="submit" disabled={work.isRunning}>
              {say('openChannel')}
            </button>
          </div>
        </Form>
      )}
      <Problem text={work.problem} />
      {work.isRunning && <p role="status">{say('lookingAtChain')}</p>}
    </li>
  )
}
