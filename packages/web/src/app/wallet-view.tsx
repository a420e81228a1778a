import { useState } from 'preact/hooks'
import {
  type ChainFields,
  chainOf,
  fieldsOf,
  type MemberSettings,
  unitsOf,
} from '../member/member-settings.ts'
import { say } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Form } from './form.tsx'
import { KeysSection } from './keys-section.tsx'
import { MoneySection } from './money-section.tsx'
import { Problem } from './problem.tsx'
import { TextField } from './text-field.tsx'
import { useWork } from './use-work.ts'

/** Keys, the chain that clears, what answers may cost, and what is there to pay them. */
export function WalletView({ app }: { app: App }) {
  const { keyRing, settings } = app.member
  return (
    <section class="page">
      <h2>{say('wallet')}</h2>
      <KeysSection app={app} />
      <h3>{say('chain')}</h3>
      <p class="muted">{say('chainNote')}</p>
      <ChainForm app={app} />
      <h3>{say('ceilings')}</h3>
      <p class="muted">{say('ceilingsNote')}</p>
      <CeilingsForm app={app} />
      {keyRing.state.value === 'open' && settings.value.chain !== null && (
        <MoneySection app={app} />
      )}
    </section>
  )
}

const FIELDS = {
  rpc: 'chainRpc',
  chainId: 'chainId',
  house: 'chainHouse',
  token: 'chainToken',
} as const satisfies Record<keyof ChainFields, string>

function ChainForm({ app }: { app: App }) {
  const { member } = app
  const [fields, setFields] = useState(() => fieldsOf(member.settings.value.chain))
  return (
    <SettingsForm app={app} read={() => ({ chain: chainOf(fields) })}>
      {(Object.keys(FIELDS) as (keyof ChainFields)[]).map((name) => (
        <TextField
          key={name}
          label={say(FIELDS[name])}
          isWide={name !== 'chainId'}
          value={fields[name]}
          onValue={(value) => setFields({ ...fields, [name]: value })}
        />
      ))}
    </SettingsForm>
  )
}

function CeilingsForm({ app }: { app: App }) {
  const { ceilings } = app.member.settings.value
  const [perRequest, setPerRequest] = useState(ceilings?.perRequest?.toString() ?? '')
  const [perDay, setPerDay] = useState(ceilings?.perDay?.toString() ?? '')
  const read = () => {
    const next = { perRequest: unitsOf(perRequest), perDay: unitsOf(perDay) }
    // Two empty fields say nothing: then the first answer that costs something asks.
    return { ceilings: next.perRequest === null && next.perDay === null ? null : next }
  }
  return (
    <SettingsForm app={app} read={read}>
      <TextField label={say('perRequest')} value={perRequest} onValue={setPerRequest} />
      <TextField label={say('perDay')} value={perDay} onValue={setPerDay} />
    </SettingsForm>
  )
}

interface SettingsFormProps {
  app: App
  /** @throws Error in words for the person when a field does not fit */
  read: () => Partial<MemberSettings>
  children: preact.ComponentChildren
}

function SettingsForm({ app, read, children }: SettingsFormProps) {
  const work = useWork()
  const save = async () => {
    await app.member.change(read())
    app.notice.value = { text: say('saved') }
  }
  return (
    <Form onSubmit={() => work.run(save)}>
      <div class="fields">{children}</div>
      <Problem text={work.problem} />
      <div class="row">
        <button type="submit" disabled={work.isRunning || app.conversation.writing.value !== null}>
          {say('save')}
        </button>
      </div>
    </Form>
  )
}
