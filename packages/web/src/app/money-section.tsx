import type { ChannelRecord } from '@freehold/core/clearing/channel'
import { unsettled } from '@freehold/core/clearing/keeper'
import { peerNameOf } from '@freehold/core/identity/peer-name'
import { useEffect, useState } from 'preact/hooks'
import { unitsOf } from '../member/member-settings.ts'
import { say, sayUnits } from '../words/words.ts'
import type { App } from './app-state.ts'
import { BrowserWalletSection } from './browser-wallet-section.tsx'
import { Form } from './form.tsx'
import { Problem } from './problem.tsx'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'
import { WithdrawForm } from './withdraw-form.tsx'

interface Money {
  account: `0x${string}`
  wallet: bigint
  ledger: bigint
  spentToday: bigint
  /** Signed to this device, and not settled yet. */
  notSettled: bigint
  channels: ChannelRecord[]
}

/** What is there, where it lies, and the channels that pay lenders. */
export function MoneySection({ app }: { app: App }) {
  const [money, setMoney] = useState<Money | null>(null)
  const [amount, setAmount] = useState('')
  const work = useWork()
  const look = () =>
    app.member.use(async (device) => {
      const { wallet, ledger } = await device.balances()
      const rows = (await device.tables.channels.list()).map(([, row]) => row)
      setMoney({
        account: device.identity?.wallet.address ?? '0x',
        ...{ wallet, ledger },
        spentToday: await device.budget.spent(),
        notSettled: rows
          .filter(({ role, status }) => role === 'payee' && status !== 'closed')
          .reduce((sum, row) => sum + unsettled(row), 0n),
        channels: rows.filter(({ role, status }) => role === 'payer' && status !== 'closed'),
      })
    })
  useEffect(() => work.run(look), [])

  const deposit = async () => {
    const units = unitsOf(amount)
    if (units === null) return
    await app.member.use((device) => device.wallet.deposit({ amount: units }))
    setAmount('')
    await look()
  }
  const leave = async ({ id }: ChannelRecord) => {
    await app.member.use((device) => device.channels.leave(id))
    await look()
  }
  return (
    <>
      <h3>{say('money')}</h3>
      {money !== null && (
        <dl class="facts">
          <dt>{say('account')}</dt>
          <dd>
            <code>{money.account}</code>
          </dd>
          <dt>{say('inWallet')}</dt>
          <dd id="in-wallet">{sayUnits(money.wallet)}</dd>
          <dt>{say('inLedger')}</dt>
          <dd id="in-ledger">{sayUnits(money.ledger)}</dd>
          <dt>{say('notSettled')}</dt>
          <dd id="not-settled">{sayUnits(money.notSettled)}</dd>
          <dt>{say('spentToday')}</dt>
          <dd>{sayUnits(money.spentToday)}</dd>
        </dl>
      )}
      <Problem text={work.problem} />
      {work.isRunning && <p role="status">{say('lookingAtChain')}</p>}
      <Form onSubmit={() => work.run(deposit)}>
        <div class="fields">
          <TextField
            label={say('depositAmount')}
            hint={say('depositHint')}
            value={amount}
            onValue={setAmount}
            isRequired
          />
        </div>
        <div class="row">
          <button type="submit" disabled={work.isRunning}>
            {say('deposit')}
          </button>
          <button type="button" disabled={work.isRunning} onClick={() => work.run(look)}>
            {say('lookAgain')}
          </button>
        </div>
      </Form>
      {money !== null && <WithdrawForm app={app} account={money.account} onDone={look} />}
      {money !== null && (
        <BrowserWalletSection app={app} account={money.account} onDeposit={look} />
      )}
      <h3>{say('channels')}</h3>
      {money?.channels.length === 0 && <p class="muted">{say('noChannels')}</p>}
      <ul class="cards">
        {money?.channels.map((channel) => (
          <li key={channel.id} class="card channel">
            <dl class="facts">
              <dt>{say('channelTo')}</dt>
              <dd>
                <code>{peerNameOf(channel.peer)}</code>
              </dd>
              <dt>{say('channelDeposit')}</dt>
              <dd>{sayUnits(channel.deposit)}</dd>
              <dt>{say('channelPaid')}</dt>
              <dd>{sayUnits(channel.cumulative)}</dd>
              <dt>{say('channelStatus')}</dt>
              <dd>{channel.status}</dd>
            </dl>
            <button
              type="button"
              disabled={work.isRunning}
              aria-label={say('leaveChannelNamed', { device: peerNameOf(channel.peer).slice(-8) })}
              onClick={() => work.run(() => leave(channel))}
            >
              {say('leaveChannel')}
            </button>
          </li>
        ))}
      </ul>
    </>
  )
}
