import { makeOffer } from './device/offers.ts'
import { deriveIdentity, type Identity } from './identity/identity.ts'
import type { Evidence } from './lending/evidence.ts'
import type { Frame, ReceiptBody } from './wire/frames.ts'
import { type Offer, type OfferedPayment, offerHash } from './wire/offer.ts'
import {
  answerHash,
  firstRunningHash,
  lpCommitment,
  nextRunningHash,
  nonceCommit,
  receiptHash,
  signedHash,
  type Terms,
} from './wire/transcript.ts'

/** One whole answer with real keys and fixed inputs, for tests and golden vectors. */
export interface TestAnswer {
  lender: Identity
  offer: Offer
  /** Every frame of the answer in the order it is sent in. */
  frames: Frame[]
  evidence: Evidence
}

/** Public since 2013; it must never hold anything. */
export const TEST_PHRASE =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'

/** When the test offer was made. */
export const TEST_TIME_MS = 1_800_000_000_000

const PROFILE = {
  engine: 'llama.cpp b1 (test)',
  backend: 'cpu',
  isa: 'haswell',
  kvType: 'f16',
  flashAttn: true,
  relaxedSimd: false,
} as const

export const TEST_PAYMENT: Omit<OfferedPayment, 'payee' | 'payeeSig'> = {
  chainId: 31_337,
  house: filled(20, 0xc1),
  token: filled(20, 0xc2),
  leastExitDelaySeconds: 172_800,
  prices: { prompt: 100_000, cached: 25_000, output: 400_000 },
  windowTokens: 64,
  promptCapTokens: 2_048,
  holdBackMs: 60_000,
  relaysOpening: true,
  relayFee: 5_000,
}

const IDS = [17, 4, 1_048_575, 0, 255, 65_536, 23, 24, 2] as const
const LPS = [-1, 0, -32_768, -693, -2_302, -23, -24, -255, -5] as const
/** The lender signs after so many tokens. */
const SIGNED_AT = [4, 9] as const

/** `size` bytes of one value. */
export function filled(size: number, value: number): Uint8Array {
  return new Uint8Array(size).fill(value)
}

export async function makeTestAnswer(): Promise<TestAnswer> {
  const lender = await deriveIdentity(TEST_PHRASE, 1)
  const offer = await makeTestOffer(lender)
  const n = filled(32, 0x0e)
  const terms: Terms = {
    open: {
      offerHash: offerHash(offer),
      modelId: filled(32, 0xa0),
      reqId: filled(16, 0x1d),
      channelId: filled(32, 0xcc),
      scope: 'market',
    },
    commit: nonceCommit(n),
    request: {
      promptIds: [1, 300, 70_000],
      templateHash: filled(32, 0x7e),
      sampler: { id: 'gumbel-sha256/1', temperatureMilli: 800 },
      maxTokens: 64,
      stopIds: [7],
      b: filled(32, 0x0b),
      voucher: null,
    },
  }
  return signTestAnswer(lender, offer, terms, n)
}

function makeTestOffer(lender: Identity): Promise<Offer> {
  return makeOffer(lender, {
    models: [
      {
        modelId: filled(32, 0xa0),
        manifestHash: filled(32, 0xa1),
        templateHash: filled(32, 0x7e),
        name: 'acorn',
        contextTokens: 2_048,
        vocabSize: 1 << 20,
        profile: PROFILE,
      },
    ],
    payment: TEST_PAYMENT,
    addresses: ['/ip4/192.0.2.1/tcp/4001'],
    nowMs: TEST_TIME_MS,
    lifeMs: 300_000,
  })
}

async function signTestAnswer(
  lender: Identity,
  offer: Offer,
  terms: Terms,
  n: Uint8Array,
): Promise<TestAnswer> {
  const lpSalt = filled(32, 0x5a)
  const answer = answerHash(terms)
  const lpCommits = LPS.map((lp, t) => lpCommitment(lpSalt, t, lp))
  const frames: Frame[] = [
    { kind: 'open', ...terms.open },
    { kind: 'ready', commit: terms.commit, maxPromptTokens: 2_048 },
    { kind: 'request', ...terms.request },
  ]
  let [runningHash, sig, from] = [firstRunningHash(answer), filled(64, 0), 0]
  for (const count of SIGNED_AT) {
    const start = from === 0 ? { n, cachedTokens: 0 } : null
    const ids = IDS.slice(from, count)
    frames.push({ kind: 'tokens', start, ids, lpCommits: lpCommits.slice(from, count) })
    for (const [i, id] of ids.entries()) {
      runningHash = nextRunningHash(runningHash, id, lpCommits[from + i] as Uint8Array)
    }
    sig = await lender.sign(signedHash(answer, count, runningHash))
    frames.push({ kind: 'signed', count, runningHash, sig })
    from = count
  }
  const body: ReceiptBody = {
    answerHash: answer,
    n,
    count: IDS.length,
    cachedTokens: 0,
    runningHash,
    finish: 'eos',
    profile: PROFILE,
    offerHash: terms.open.offerHash,
    channelId: terms.open.channelId,
    due: 4n,
  }
  const receipt = { body, sig: await lender.sign(receiptHash(body)), lpSalt, lps: [...LPS] }
  frames.push({ kind: 'receipt', ...receipt })
  const signed = { count: IDS.length, runningHash, sig }
  const evidence = { lender: lender.device, terms, n, ids: [...IDS], lpCommits, signed, receipt }
  return { lender, offer, frames, evidence }
}
