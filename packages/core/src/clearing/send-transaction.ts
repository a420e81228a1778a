import {
  type Abi,
  type Account,
  type Address,
  BaseError,
  type Chain,
  ExecutionRevertedError,
  encodeFunctionData,
  type Hex,
  HttpRequestError,
  isAddressEqual,
  keccak256,
  NonceTooLowError,
  type PublicClient,
  TimeoutError,
  TransactionNotFoundError,
  type TransactionReceipt,
  type Transport,
  WaitForTransactionReceiptTimeoutError,
  type WalletClient,
} from 'viem'
import { ChainError } from '../errors.ts'
import type { createInTurn } from '../in-turn.ts'
import type { Clock } from '../platform.ts'
import type { Fees, SentBook, SentTransaction } from './sent-transactions.ts'

export interface SendComponents {
  reader: PublicClient<Transport, Chain>
  writer: WalletClient<Transport, Chain, Account>
  /** Keeps two transactions of this process from taking one nonce. */
  inTurn: ReturnType<typeof createInTurn>
  /** What this account's processes have on their way, dead ones too. */
  book: SentBook
  clock: Clock
}

export interface SendInit {
  /** Not in a block after so long, it is sent again with a higher fee. */
  stuckMs: number
}

/** A call of a contract, as a simulation has found it to hold. */
export interface ContractCall {
  address: Address
  abi: Abi
  functionName: string
  args?: readonly unknown[]
}

interface Call {
  to: Address
  data: Hex
}

interface Attempt extends Fees {
  nonce: number
  /** Most gas, once it was estimated: what is sent again must not be judged by what the first one leaves. */
  gas?: bigint | undefined
  /** All that were sent under it for this call, the last one last. */
  hashes: readonly Hex[]
}

/** Times that a transaction is sent again; with each its fee rises by a quarter at least. */
const MOST_TRIES = 8
/** Another process with the same account may take the nonce first. */
const NONCE_TRIES = 4

/**
 * Sends a simulated call and waits until it is in a block. One that sticks is replaced under its own
 * nonce, so that at most one of them counts. What a dead process left on its way is sent again under
 * its nonce first, since nothing behind it counts before; the very same call is gone on with instead
 * of being made twice.
 * @throws ChainError when it still is in no block after the last try
 */
export async function sendTransaction(
  { address, ...encoded }: ContractCall,
  { stuckMs }: SendInit,
  components: SendComponents,
): Promise<TransactionReceipt> {
  const { reader, writer, inTurn, book } = components
  const call: Call = { to: address, data: encodeFunctionData(encoded) }
  let last: Attempt = await inTurn(async () => {
    await freeNonces(components, stuckMs)
    const waiting = await onTheirWay(components)
    return waiting.find((one) => isSame(one, call)) ?? first(call, components)
  })
  const { nonce } = last
  for (let left = MOST_TRIES; left > 0; left--) {
    const receipt = await waitFor(call, last, components, stuckMs)
    if (receipt !== null) {
      await book.forget(nonce)
      return receipt
    }
    await inTurn(() => freeNonces(components, stuckMs))
    last = await again(call, last, components)
  }
  const next = await usedNonces({ reader, writer })
  throw new ChainError({
    what: 'a transaction is in no block',
    why:
      next < nonce
        ? `another one of this account, with nonce ${next}, has to come before it and does not`
        : `${hashOf(last)}, with nonce ${nonce}, was sent ${MOST_TRIES} times with rising fees`,
  })
}

/** @returns null when it is in no block after that time. @throws ChainError when something else is under its nonce */
async function waitFor(
  call: Call,
  sent: Attempt,
  { reader, writer }: SendComponents,
  timeout: number,
): Promise<TransactionReceipt | null> {
  const isOwn = async ({ transactionHash: hash }: TransactionReceipt) => {
    if (sent.hashes.includes(hash)) return true
    const { to, input: data } = await reader.getTransaction({ hash })
    return to !== null && isSame({ to, data }, call)
  }
  const taken = (by: string) =>
    new ChainError({
      what: 'another program used the nonce of a transaction',
      why: `${by} is in a block in its place`,
      next: 'Ask again; an account for each program keeps them apart',
    })
  try {
    const receipt = await reader.waitForTransactionReceipt({ hash: hashOf(sent), timeout })
    // viem takes whatever stands under the nonce for a replacement of ours.
    if (await isOwn(receipt)) return receipt
    throw taken(receipt.transactionHash)
  } catch (error) {
    if (!isOf(error, WaitForTransactionReceiptTimeoutError)) throw error
  }
  // viem sees no replacement of what the node had dropped before it was looked for.
  if ((await usedNonces({ reader, writer })) <= sent.nonce) return null
  for (const hash of sent.hashes) {
    const receipt = await reader.getTransactionReceipt({ hash }).catch(() => null)
    if (receipt !== null) return receipt
  }
  throw taken('something else')
}

/** Under the next nonce that nobody has, as far as the node knows. */
async function first(call: Call, components: SendComponents): Promise<Attempt> {
  const { reader, writer } = components
  for (let left = NONCE_TRIES; ; left--) {
    const { address } = writer.account
    let nonce = await reader.getTransactionCount({ address, blockTag: 'pending' })
    // Some nodes do not count what is too cheap for the next block.
    for (const one of await onTheirWay(components)) if (one.nonce === nonce) nonce++
    const fees = await reader.estimateFeesPerGas()
    try {
      return await attempt(call, { ...fees, nonce, hashes: [] }, components)
    } catch (error) {
      if (left === 0 || !isTaken(error)) throw error
    }
  }
}

/** The same under the same nonce, for more. */
async function again(call: Call, before: Attempt, components: SendComponents): Promise<Attempt> {
  const fees = raised(before, await components.reader.estimateFeesPerGas())
  try {
    return await attempt(call, { ...before, ...fees }, components)
  } catch (error) {
    // One of those before is in a block by now, or this one is no better: they are waited for.
    if (!isTaken(error)) throw error
    return { ...before, ...fees }
  }
}

/** Signs, writes down, sends: what left is known whenever the process dies. */
async function attempt(
  { to, data }: Call,
  { nonce, gas: limit, hashes: before, maxFeePerGas, maxPriorityFeePerGas }: Attempt,
  { writer, book }: SendComponents,
): Promise<Attempt> {
  const fees = { maxFeePerGas, maxPriorityFeePerGas }
  const call = { to, data, nonce, gas: limit, ...fees }
  const { gas, ...rest } = await writer.prepareTransactionRequest(call)
  const request = { ...rest, gas }
  const serializedTransaction = await writer.signTransaction(request)
  const sent = { nonce, gas, hashes: [...before, keccak256(serializedTransaction)], ...fees }
  const undo = await book.note({ to, data, ...sent })
  try {
    await writer.sendRawTransaction({ serializedTransaction })
  } catch (error) {
    // A node that did not answer may have it; one that refused has not.
    if (!isUnanswered(error)) await undo()
    throw error
  }
  return sent
}

/** Sends again what dead processes left before the next free nonce: nothing behind it would count. */
async function freeNonces(components: SendComponents, stuckMs: number): Promise<void> {
  const { reader, writer, clock } = components
  const { address } = writer.account
  for (const one of await onTheirWay(components)) {
    // Whoever lives would have sent it again by now.
    if (clock.now() - one.atMs < 2 * stuckMs) continue
    const { to, data, gas } = one
    const holds = await reader.call({ account: address, to, data, gas }).then(
      () => true,
      (error) => {
        if (isOf(error, ExecutionRevertedError)) return false
        throw error
      },
    )
    // What would revert by now makes room: nothing takes its place, and costs least.
    if (holds) await again(one, one, components)
    else await again({ to: address, data: '0x' }, { ...one, gas: undefined }, components)
  }
}

/** What was written down and is with the node: what never left is nobody's any more. */
async function onTheirWay({ reader, writer, book }: SendComponents): Promise<SentTransaction[]> {
  const { address } = writer.account
  const used = await usedNonces({ reader, writer })
  const pending = await reader.getTransactionCount({ address, blockTag: 'pending' })
  const found: SentTransaction[] = []
  for (const one of await book.from(used)) {
    if (one.nonce < pending || (await isKnown(one))) found.push(one)
  }
  return found

  async function isKnown(sent: SentTransaction): Promise<boolean> {
    const hash = hashOf(sent)
    return reader.getTransaction({ hash }).then(
      () => true,
      (error) => {
        if (isOf(error, TransactionNotFoundError)) return false
        throw error
      },
    )
  }
}

function hashOf({ hashes }: Attempt): Hex {
  return hashes.at(-1) ?? '0x'
}

function usedNonces({ reader, writer }: Pick<SendComponents, 'reader' | 'writer'>) {
  return reader.getTransactionCount({ address: writer.account.address, blockTag: 'latest' })
}

function isSame(one: Call, other: Call): boolean {
  return one.data === other.data && isAddressEqual(one.to, other.to)
}

/** What nodes want at least is a tenth more. */
function raised(before: Fees, now: Fees): Fees {
  const higher = (name: keyof Fees) => {
    const quarterMore = (before[name] * 5n) / 4n + 1n
    return now[name] > quarterMore ? now[name] : quarterMore
  }
  return {
    maxFeePerGas: higher('maxFeePerGas'),
    maxPriorityFeePerGas: higher('maxPriorityFeePerGas'),
  }
}

function isUnanswered(error: unknown): boolean {
  return [HttpRequestError, TimeoutError, ChainError].some((kind) => isOf(error, kind))
}

function isTaken(error: unknown): boolean {
  return (
    isOf(error, NonceTooLowError) ||
    /nonce too low|underpriced|already (?:known|imported)/i.test(String(error))
  )
}

function isOf(error: unknown, kind: new (...init: never[]) => Error): boolean {
  if (error instanceof kind) return true
  return error instanceof BaseError && error.walk((one) => one instanceof kind) !== null
}
