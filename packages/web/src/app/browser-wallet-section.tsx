import type { WalletError, WalletFailure } from '@freehold/core/clearing/deposit-by-wallet'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { Fragment } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { type BrowserWallet, listenForWallets } from '../member/browser-wallets.ts'
import { unitsOf } from '../member/member-settings.ts'
import type { en } from '../words/en.ts'
import { say, sayUnits } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Problem } from './problem.tsx'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

interface BrowserWalletInit {
  app: App
  /** This device's account, which the money is for. */
  account: `0x${string}`
  onDeposit: () => Promise<void>
}

/** What the person agreed to look at: nothing was signed yet. */
interface Plan {
  wallet: BrowserWallet
  from: `0x${string}`
  amount: bigint
}

const REASONS = {
  refused: 'walletRefused',
  'unknown-chain': 'walletUnknownChain',
  elsewhere: 'walletElsewhere',
  'too-little': 'walletTooLittle',
  'no-block': 'walletNoBlock',
} as const satisfies Partial<Record<WalletFailure, keyof typeof en>>

/** A deposit by a wallet of another program in this browser: shown before anything is signed. */
export function BrowserWalletSection({ app, account, onDeposit }: BrowserWalletInit) {
  const [wallets, setWallets] = useState<readonly BrowserWallet[]>([])
  const [amount, setAmount] = useState('')
  const [plan, setPlan] = useState<Plan | null>(null)
  const [isHanded, setHanded] = useState(false)
  const work = useWork()
  const { chain } = app.member.settings.value
  useEffect(() => {
    const listening = listenForWallets(setWallets)
    return () => listening[Symbol.dispose]()
  }, [])
  if (chain === null) return null

  const connect = (wallet: BrowserWallet) =>
    inWords(async () => {
      const units = unitsOf(amount)
      if (units === null || units === 0n) throw new Error(say('noAmount', { text: amount }))
      const { connectWallet } = await import('@freehold/core/clearing/deposit-by-wallet')
      const from = await connectWallet(wallet.provider, chain.chainId)
      setHanded(false)
      setPlan({ wallet, from, amount: units })
    }, chain)

  const deposit = ({ wallet, from, amount }: Plan) =>
    inWords(async () => {
      const { depositByWallet } = await import('@freehold/core/clearing/deposit-by-wallet')
      await app.member.use(async ({ chain }) => {
        if (chain === null) return
        const onMined = (step: 'handed' | 'deposited') => setHanded(step === 'handed')
        const init = { provider: wallet.provider, from, account, amount, isHanded, onMined }
        await depositByWallet(init, { chain, clock: systemClock, random: systemRandom })
      })
      setPlan(null)
      setAmount('')
      app.notice.value = { text: say('walletDeposited', { amount: sayUnits(amount) }) }
      await onDeposit()
    }, chain)

  return (
    <>
      <h3>{say('browserWallet')}</h3>
      <p class="muted">{say('browserWalletNote')}</p>
      {plan === null ? (
        <>
          <div class="fields">
            <TextField label={say('browserWalletAmount')} value={amount} onValue={setAmount} />
          </div>
          {wallets.length === 0 && <p class="muted">{say('noBrowserWallet')}</p>}
          <div class="row">
            {wallets.map((wallet) => (
              <button
                key={wallet.id}
                type="button"
                dir="auto"
                disabled={work.isRunning}
                onClick={() => work.run(() => connect(wallet))}
              >
                {say('useBrowserWallet', { name: wallet.name })}
              </button>
            ))}
          </div>
        </>
      ) : (
        <div class="card wallet-plan">
          <PlanView plan={plan} chain={chain} account={account} />
          {isHanded && <p role="status">{say('walletHanded')}</p>}
          <div class="row">
            <button type="button" disabled={work.isRunning} onClick={() => setPlan(null)}>
              {say('cancel')}
            </button>
            <button
              type="button"
              class="primary"
              disabled={work.isRunning}
              onClick={() => work.run(() => deposit(plan))}
            >
              {say(isHanded ? 'walletFinish' : 'walletSign')}
            </button>
          </div>
        </div>
      )}
      {work.isRunning && <p role="status">{say('walletWaits')}</p>}
      <Problem text={work.problem} />
    </>
  )
}

interface PlanViewInit {
  plan: Plan
  chain: ChainSettings
  account: string
}

/** All that the two transactions say. */
function PlanView({ plan: { wallet, from, amount }, chain, account }: PlanViewInit) {
  const facts: [string, string][] = [
    [say('walletAmount'), sayUnits(amount)],
    [say('chainToken'), chain.token],
    [say('chainId'), String(chain.chainId)],
    [say('walletFrom', { name: wallet.name }), from],
    [say('walletTo'), account],
    [say('chainHouse'), chain.house],
  ]
  return (
    <>
      <p>{say('walletPlan', { name: wallet.name })}</p>
      <ol>
        <li>{say('walletStepHand')}</li>
        <li>{say('walletStepDeposit')}</li>
      </ol>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>
              <code>{value}</code>
            </dd>
          </Fragment>
        ))}
      </dl>
    </>
  )
}

/** What a wallet did not do, in the person's language. */
async function inWords(work: () => Promise<void>, { chainId }: ChainSettings): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WalletError') throw error
    const { reason, why } = error as WalletError
    if (!(reason in REASONS)) throw error
    const values = { chain: chainId, why: why ?? '' }
    throw new Error(say(REASONS[reason as keyof typeof REASONS], values), { cause: error })
  }
}
