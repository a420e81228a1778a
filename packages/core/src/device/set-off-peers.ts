import type { Hex } from 'viem'
import { withinTime } from '../abort.ts'
import { fromHex, to0x } from '../bytes.ts'
import type { Debt } from '../clearing/chain.ts'
import { configMessage } from '../clearing/config-message.ts'
import type { ChannelConfig } from '../clearing/typed-data.ts'
import { ClearingError, LendingError } from '../errors.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { SET_OFF_PROTOCOL } from '../mesh/protocols.ts'
import {
  decodeSetOffReply,
  encodeSetOffRequest,
  MAX_SET_OFF_BYTES,
  type SetOffReply,
  type SetOffRequest,
} from '../wire/set-off-messages.ts'
import { debtMessage, readDebt } from './debt-message.ts'
import { exchange } from './exchange.ts'
import type { Parts } from './parts.ts'

/** What others are given to answer; the one that submits waits for a block. */
const REPLY_MS = 10_000
const SUBMIT_MS = 60_000

type Kind = SetOffReply['kind']
type ReplyOf<K extends Kind> = Extract<SetOffReply, { kind: K }>

/** Asks other devices, by their keys in hex. All throw LendingError, WireError or ClearingError. */
export interface SetOffPeers {
  ask(
    device: string,
    request: { salt: Uint8Array; debtors: Uint8Array[] },
    signal?: AbortSignal,
  ): Promise<ReplyOf<'answer'>>
  /** What `device` owes to the payers of these channels, by which they pay this one. */
  close(device: string, channels: readonly ChannelConfig[], signal?: AbortSignal): Promise<Debt[]>
  /** Has `device` submit a ring. @returns the transaction that it names */
  submit(device: string, ring: readonly Debt[], amount: bigint, signal?: AbortSignal): Promise<Hex>
}

export function createSetOffPeers({
  mesh,
  tables,
}: Pick<Parts, 'tables'> & { mesh: Mesh }): SetOffPeers {
  async function say<K extends Kind>(
    device: string,
    request: SetOffRequest,
    kind: K,
    { ms, signal }: { ms: number; signal: AbortSignal | undefined },
  ): Promise<ReplyOf<K>> {
    const data = encodeSetOffRequest(request)
    const limits = { maxBytes: MAX_SET_OFF_BYTES, signal: withinTime(signal, ms) }
    let lost: unknown = new LendingError('lost', { what: 'its address is not known' })
    for (const address of (await tables.peers.get(device))?.addresses ?? []) {
      const to = { address, device: fromHex(device), protocol: SET_OFF_PROTOCOL }
      try {
        const reply = decodeSetOffReply(await exchange(mesh, to, data, limits))
        if (reply.kind === kind) return reply as ReplyOf<K>
        const why = reply.kind === 'refuse' ? reply.why : 'it answers something else'
        throw new ClearingError({ what: 'the other device refuses', why })
      } catch (error) {
        // It may be at another address.
        if (!(error instanceof LendingError) || limits.signal.aborted) throw error
        lost = error
      }
    }
    throw lost
  }

  return {
    ask: (device, request, signal) =>
      say(device, { kind: 'ask', ...request }, 'answer', { ms: REPLY_MS, signal }),
    close: async (device, channels, signal) => {
      const request: SetOffRequest = { kind: 'close', channels: channels.map(configMessage) }
      const reply = await say(device, request, 'closing', { ms: REPLY_MS, signal })
      return reply.debts.map(readDebt)
    },
    submit: async (device, ring, amount, signal) => {
      const request: SetOffRequest = { kind: 'submit', ring: ring.map(debtMessage), amount }
      const reply = await say(device, request, 'submitted', { ms: SUBMIT_MS, signal })
      return to0x(reply.transaction)
    },
  }
}
