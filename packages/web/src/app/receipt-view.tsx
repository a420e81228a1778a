import { fromHex } from '@freehold/core/bytes'
import type { AnswerRecord } from '@freehold/core/device/records'
import { peerName } from '@freehold/core/identity/peer-name'
import { useEffect, useState } from 'preact/hooks'
import { DEVICE_DATABASE } from '../answering/answerer.ts'
import {
  type AnswerNote,
  type BorrowedNote,
  type BorrowedPart,
  type Chat,
  changeMessage,
  type Message,
} from '../chats/chat.ts'
import { checkOf } from '../member/receipts.ts'
import { openIndexedDbStorage } from '../storage/indexed-db-storage.ts'
import { language, say, sayUnits } from '../words/words.ts'
import type { App } from './app-state.ts'
import { Problem } from './problem.tsx'
import { countsText } from './rungs.ts'
import { useWork } from './use-work.ts'

export interface ReceiptProps {
  app: App
  chat: Chat
  message: Message
  note: AnswerNote
  borrowed: BorrowedNote
}

const PROOFS = {
  open: 'proofOpen',
  none: 'proofNone',
  pass: 'proofPass',
  fail: 'proofFail',
} as const

/** A receipt outlives the session: it is read without keys. */
async function readReceipts(parts: readonly BorrowedPart[]): Promise<AnswerRecord[]> {
  await using storage = await openIndexedDbStorage(DEVICE_DATABASE)
  const table = storage.table<AnswerRecord>('answers')
  const ids = parts.flatMap(({ receipt }) => receipt ?? [])
  const found = await Promise.all(ids.map((id) => table.get(id)))
  return found.filter((row) => row !== undefined)
}

/** What is known of a borrowed answer, with its numbers, and what they say and what not. */
export function ReceiptView({ app, chat, message, note, borrowed }: ReceiptProps) {
  const { parts, check, redacted } = borrowed
  const [records, setRecords] = useState<AnswerRecord[] | null>(null)
  const work = useWork()
  const look = async () => {
    const found = await readReceipts(parts)
    setRecords(found)
    // A page that was closed before the audit ended has the mark of before.
    const next = checkOf(parts, found)
    const isOver = found.every(({ payment, audit }) => audit !== null || payment !== 'open')
    if (found.length === 0 || !isOver || next === check) return
    app.book.change(chat.id, (now) =>
      changeMessage(now, message.id, { note: { ...note, borrowed: { ...borrowed, check: next } } }),
    )
  }
  useEffect(() => work.run(look), [check])

  const audit = async () => {
    await app.member.use(async (device) => {
      const here = app.space.models.value.some(({ sha256 }) => sha256 === note.modelId)
      // A replay takes the whole model.
      if (here) await device.model(note.modelId)
      for (const { id } of records ?? []) await device.audits.audit(id)
    })
    await look()
  }
  const counts = countsText(redacted)
  const mayAudit = records?.some(
    ({ audit: made, evidence }) => evidence !== null && !made?.statistics.positions,
  )
  const isOpen = app.member.keyRing.state.value === 'open'
  return (
    <>
      <p>{say(PROOFS[check])}</p>
      <p class="muted">{say('proofNot')}</p>
      {counts !== '' && <p>{say('replacedBefore', { counts })}</p>}
      <p>
        {say('fingerprint')}: <code>{note.modelId}</code>
      </p>
      <ol class="cards">
        {parts.map((part, i) => (
          <li key={`${i}-${part.receipt}`} class="card">
            <PartView part={part} record={records?.find(({ id }) => id === part.receipt)} />
          </li>
        ))}
      </ol>
      {records?.length === 0 && <p>{say('receiptNotHere')}</p>}
      <Problem text={work.problem} />
      {work.isRunning && <p role="status">{say('lookingAtReceipt')}</p>}
      {mayAudit && (
        <div class="row">
          <button
            type="button"
            disabled={work.isRunning || !isOpen || app.conversation.writing.value !== null}
            onClick={() => work.run(audit)}
          >
            {say('auditNow')}
          </button>
          {!isOpen && <span>{say('scopeLocked')}</span>}
        </div>
      )}
    </>
  )
}

const PAYMENTS = {
  free: 'paymentFree',
  open: 'paymentOpen',
  paid: 'paymentPaid',
  withheld: 'paymentWithheld',
} as const

function PartView({ part, record }: { part: BorrowedPart; record: AnswerRecord | undefined }) {
  const { where, lender, tokens, end, receipt } = part
  return (
    <dl class="facts">
      <dt>{say('writtenBy')}</dt>
      <dd>
        {where === 'here' || lender === null ? say('scopeDevice') : <code>{nameOf(lender)}</code>}
      </dd>
      <dt>{say('tokens')}</dt>
      <dd>{tokens}</dd>
      <dt>{say('ending')}</dt>
      <dd>
        {end === 'receipt' || end === 'here' ? say('endedWell') : say('brokeOff', { why: end })}
      </dd>
      {receipt !== null && (
        <>
          <dt>{say('receipt')}</dt>
          <dd>
            <code>{receipt}</code>
          </dd>
        </>
      )}
      {record !== undefined && <RecordView record={record} />}
    </dl>
  )
}

function RecordView({ record }: { record: AnswerRecord }) {
  const { payment, priceUnits, heldUnits, audit, isDrawn } = record
  const statistics = audit?.statistics
  const percent = new Intl.NumberFormat(language.value, {
    style: 'percent',
    maximumFractionDigits: 1,
  })
  const small = new Intl.NumberFormat(language.value, { maximumFractionDigits: 4 })
  return (
    <>
      <dt>{say('payment')}</dt>
      <dd>{say(PAYMENTS[payment], { units: sayUnits(priceUnits), held: sayUnits(heldUnits) })}</dd>
      <dt>{say('audit')}</dt>
      <dd>
        {audit === null
          ? say(isDrawn === false ? 'notDrawn' : 'noAudit')
          : say(VERDICTS[audit.verdict])}
      </dd>
      {audit !== null && (
        <>
          <dt>{say('auditWhy')}</dt>
          <dd>{audit.why}</dd>
        </>
      )}
      {record.pooled === 'fail' && audit?.verdict !== 'fail' && (
        <>
          <dt>{say('pool')}</dt>
          <dd>{say('poolFailed')}</dd>
        </>
      )}
      {statistics !== undefined && statistics.positions > 0 && (
        <>
          <dt>{say('replayed')}</dt>
          <dd>{statistics.positions}</dd>
          <dt>{say('matches')}</dt>
          <dd>{percent.format(statistics.matches)}</dd>
          <dt>{say('margin')}</dt>
          <dd>{small.format(statistics.meanClippedMargin)}</dd>
          <dt>{say('impossible')}</dt>
          <dd>{statistics.out}</dd>
        </>
      )}
    </>
  )
}

const VERDICTS = { pass: 'verdictPass', fail: 'verdictFail', pending: 'verdictPending' } as const

/** Text from a file may be anything. */
function nameOf(lender: string): string {
  return /^[0-9a-f]{64}$/.test(lender) ? peerName(fromHex(lender)) : lender
}
