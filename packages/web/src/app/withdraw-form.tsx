import { UsageError } from '@freehold/core/errors'
import { useState } from 'preact/hooks'
import { isAddress, unitsOf } from '../member/member-settings.ts'
import { say, sayUnits } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Form } from './form.tsx'
import { Problem } from './problem.tsx'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

/** Takes what is in the clearing house, and what was earned, to an account of the owner's. */
export function WithdrawForm({
  app,
  account,
  onDone,
}: {
  app: App
  account: `0x${string}`
  onDone: () => Promise<void>
}) {
  const [amount, setAmount] = useState('')
  const [to, setTo] = useState('')
  const [asked, setAsked] = useState<{ fee: bigint; answer: (is: boolean) => void } | null>(null)
  const work = useWork()
  const agree = ({ fee }: { fee: bigint }) =>
    new Promise<boolean>((resolve) => {
      const answer = (is: boolean) => {
        setAsked(null)
        resolve(is)
      }
      setAsked({ fee, answer })
    })
  const withdraw = async () => {
    const target = to.trim() || account
    if (!isAddress(target)) throw new UsageError({ what: say('noAccount', { text: target }) })
    const units = unitsOf(amount) ?? 'all'
    await app.member.use(async (device) => {
      // Without coin for gas, whoever submits the order settles first.
      const { native } = await device.balances()
      if (native > 0n) await device.keeper?.settle(true)
      await device.wallet.withdraw({ to: target, amount: units, agree })
    })
    setAmount('')
    await onDone()
  }
  return (
    <Form onSubmit={() => work.run(withdraw)}>
      <div class="fields">
        <TextField
          label={say('withdrawAmount')}
          hint={say('withdrawHint')}
          value={amount}
          onValue={setAmount}
        />
        <TextField
          label={say('withdrawTo')}
          hint={say('withdrawToHint')}
          value={to}
          onValue={setTo}
        />
      </div>
      <div class="row">
        <button type="submit" disabled={work.isRunning}>
          {say('withdraw')}
        </button>
      </div>
      <Problem text={work.problem} />
      {asked !== null && (
        <div class="card" role="alert">
          <p>{say('withdrawFee', { fee: sayUnits(asked.fee) })}</p>
          <div class="row">
            <button type="button" onClick={() => asked.answer(false)}>
              {say('cancel')}
            </button>
            <button type="button" class="primary" onClick={() => asked.answer(true)}>
              {say('payFee')}
            </button>
          </div>
        </div>
      )}
      {asked === null && work.isRunning && <p role="status">{say('lookingAtChain')}</p>}
    </Form>
  )
}
