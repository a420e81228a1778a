import { filled, TEST_PHRASE } from '../../packages/core/src/answer.fixture.ts'
import { from0x } from '../../packages/core/src/bytes.ts'
import { signAcknowledgement } from '../../packages/core/src/clearing/acknowledgement.ts'
import { configMessage } from '../../packages/core/src/clearing/config-message.ts'
import { signVoucher } from '../../packages/core/src/clearing/voucher.ts'
import { deriveIdentity } from '../../packages/core/src/identity/identity.ts'
import {
  type DebtMessage,
  debtorHash,
  encodeSetOffReply,
  encodeSetOffRequest,
  type SetOffReply,
  type SetOffRequest,
} from '../../packages/core/src/wire/set-off-messages.ts'
import type { voucherVectors } from './voucher-vectors.ts'

const DEADLINE = 2_000_000_000
const SALT = filled(16, 0x5a)

/** Every message of `/freehold/set-off/1`, about the channel of the voucher vectors. */
export async function setOffVectors({
  house,
  config,
  channelId,
}: Awaited<ReturnType<typeof voucherVectors>>) {
  const payer = await deriveIdentity(TEST_PHRASE, 0)
  const payee = await deriveIdentity(TEST_PHRASE, 1)
  const channel = { house, id: channelId }
  const total = 123_456_789n
  const words = await signAcknowledgement(payee.wallet, channel, { total, deadline: DEADLINE })
  const debt: DebtMessage = {
    config: configMessage(config),
    ...{ total, deadline: DEADLINE },
    voucher: await signVoucher(payer.voucherSigner, channel, total),
    acknowledgement: words.signature,
  }
  const debtor = from0x(config.payer)
  const name = debtorHash(SALT, debtor)
  const requests: SetOffRequest[] = [
    { kind: 'ask', salt: SALT, debtors: [name] },
    { kind: 'close', channels: [debt.config] },
    { kind: 'submit', ring: [debt, debt], amount: 5n },
  ]
  const acknowledgement = { channelId: from0x(channelId), ...words, reach: 'friends' as const }
  const replies: SetOffReply[] = [
    { kind: 'refuse', why: 'this ring is not submitted' },
    { kind: 'answer', acknowledgements: [acknowledgement], matches: [name] },
    { kind: 'closing', debts: [debt] },
    { kind: 'submitted', transaction: filled(32, 0x77) },
  ]
  return {
    debtor: { salt: SALT, account: debtor, hash: name },
    requests: requests.map((message) => told(message, encodeSetOffRequest(message))),
    replies: replies.map((message) => told(message, encodeSetOffReply(message))),
  }
}

function told<M extends { kind: string }>({ kind, ...fields }: M, bytes: Uint8Array) {
  return { kind, fields, bytes }
}
