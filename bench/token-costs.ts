import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { privateKeyToAccount } from 'viem/accounts'
import { to0x, toHex } from '../packages/core/src/bytes.ts'
import { type ChannelRecord, createChannelRecord } from '../packages/core/src/clearing/channel.ts'
import { noteSigned } from '../packages/core/src/clearing/meter.ts'
import { openAnswerPayee } from '../packages/core/src/clearing/payee.ts'
import { openAnswerPayer } from '../packages/core/src/clearing/payer.ts'
import { channelIdOf } from '../packages/core/src/clearing/typed-data.ts'
import type { TopLogits } from '../packages/core/src/engine/engine.ts'
import {
  ed25519PublicKey,
  signEd25519,
  verifyEd25519,
} from '../packages/core/src/identity/ed25519.ts'
import { systemRandom } from '../packages/core/src/platform.ts'
import { logProbMilli, sampleToken } from '../packages/core/src/sampling/gumbel.ts'
import { existing, type Table } from '../packages/core/src/storage.ts'
import { MAX_CHUNK_TOKENS } from '../packages/core/src/wire/limits.ts'
import { lpCommitment, nextRunningHash, signedHash } from '../packages/core/src/wire/transcript.ts'
import { createNativeVoucherCheck } from '../packages/node/src/chain/native-voucher-check.ts'
import { openSqliteStorage } from '../packages/node/src/storage/sqlite-storage.ts'
import { rounded } from './median.ts'

/** Window of `freehold lend`; a voucher pays for half of one: from three quarters unpaid to one. */
const WINDOW_TOKENS = 64
const VOUCHER_TOKENS = WINDOW_TOKENS / 2

/** Milliseconds that one token of a borrowed answer costs both devices together, besides the model. */
export interface TokenCosts {
  /** Drawing the token: 40 candidates, each with its hash. */
  samplerMs: number
  /** Running hashes on both sides, the commitment, a signature and its check for each chunk. */
  signingMs: number
  /** Vouchers signed, checked and on both disks, for each half of a window; signed states on disk. */
  meteringMs: number
  /** Updates of a channel's row a second, each on disk. */
  storeCommitsPerSecond: number
}

/** Times what is done for each token, amortised over chunks and vouchers. @param rounds chunks to time */
export async function measureTokenCosts(rounds: number): Promise<TokenCosts> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-costs-'))
  try {
    await using storage = openSqliteStorage(join(folder, 'device.db'))
    const channels = (name: string) => storage.table<ChannelRecord>(name)
    const samplerMs = timeSampler(rounds * MAX_CHUNK_TOKENS)
    const signingMs = await timeSigning(rounds)
    const metering = await timeMetering(channels('paying'), channels('earning'), rounds)
    return {
      samplerMs: rounded(samplerMs),
      signingMs: rounded(signingMs),
      meteringMs: rounded(metering.perTokenMs),
      storeCommitsPerSecond: rounded(metering.commitsPerSecond),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function someLogits(): TopLogits {
  const logits = Float32Array.from({ length: 64 }, (_, i) => 18 - i / 8)
  return { ids: Uint32Array.from(logits, (_, i) => 1_000 + i), logits }
}

function timeSampler(tokens: number): number {
  const [top, seed] = [someLogits(), systemRandom(32)]
  return timed(tokens, (t) => sampleToken(top, seed, t, 1))
}

async function timeSigning(chunks: number): Promise<number> {
  const secret = systemRandom(32)
  const key = ed25519PublicKey(secret)
  const [top, salt, answer] = [someLogits(), systemRandom(32), systemRandom(32)]
  let running: Uint8Array = systemRandom(32)
  const hash = (t: number) => {
    const lpCommit = lpCommitment(salt, t, logProbMilli(top, 1_000))
    // Lender and borrower each step it.
    nextRunningHash(running, 1_000, lpCommit)
    running = nextRunningHash(running, 1_000, lpCommit)
  }
  const sign = async (n: number) => {
    const signed = signedHash(answer, n, running)
    const sig = await signEd25519(signed, secret)
    if (!(await verifyEd25519(sig, signed, key))) throw new Error('a signature does not hold')
  }
  await sign(0)
  const hashMs = timed(chunks * MAX_CHUNK_TOKENS, hash)
  const startMs = performance.now()
  for (let n = 0; n < chunks; n++) await sign(n)
  const signMs = (performance.now() - startMs) / chunks
  return hashMs + signMs / MAX_CHUNK_TOKENS
}

async function timeMetering(
  paying: Table<ChannelRecord>,
  earning: Table<ChannelRecord>,
  rounds: number,
): Promise<{ perTokenMs: number; commitsPerSecond: number }> {
  const signer = privateKeyToAccount(to0x(systemRandom(32)))
  const house = { chainId: 31_337, address: to0x(systemRandom(20)) }
  const salt = to0x(systemRandom(32))
  const [payer, payee] = [to0x(systemRandom(20)), to0x(systemRandom(20))]
  const config = { payer, signer: signer.address, payee, delay: 172_800, flags: 0, salt }
  const id = channelIdOf(house, config)
  const peer = toHex(systemRandom(32))
  const base = { id, peer, house, token: house.address, config, deposit: 10n ** 12n }
  for (const [table, role] of [
    [paying, 'payer'],
    [earning, 'payee'],
  ] as const) {
    await table.update(id, () => createChannelRecord({ ...base, role, status: 'open' }))
  }
  const prices = { prompt: 200_000, cached: 20_000, output: 1_000_000 }
  const reqId = systemRandom(16)
  const terms = { reqId, prices, promptTokens: 64, maxTokens: 10_000_000, startedAtMs: 0 }
  const from = await openAnswerPayer(paying, signer, id, terms)
  const to = await openAnswerPayee(earning, id, terms, createNativeVoucherCheck())
  const runningHash = systemRandom(32)
  const commit = (n: number) =>
    paying.update(id, (old) => noteSigned(existing(old, id), toHex(reqId), n))

  await to.accept(await from.pay(0, runningHash))
  let startMs = performance.now()
  for (let n = 1; n <= rounds; n++) await to.accept(await from.pay(n * VOUCHER_TOKENS, runningHash))
  const voucherMs = (performance.now() - startMs) / rounds
  startMs = performance.now()
  for (let n = 0; n < rounds; n++) await commit(rounds * VOUCHER_TOKENS + n)
  const commitMs = (performance.now() - startMs) / rounds
  const perTokenMs = voucherMs / VOUCHER_TOKENS + commitMs / MAX_CHUNK_TOKENS
  return { perTokenMs, commitsPerSecond: 1_000 / commitMs }
}

/** Milliseconds of one call, over many. */
function timed(calls: number, call: (n: number) => void): number {
  // Compiled by then.
  for (let n = 0; n < calls / 4; n++) call(n)
  const startMs = performance.now()
  for (let n = 0; n < calls; n++) call(n)
  return (performance.now() - startMs) / calls
}
