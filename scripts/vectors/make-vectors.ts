import { createHash } from 'node:crypto'
import { filled, makeTestAnswer, TEST_PHRASE } from '../../packages/core/src/answer.fixture.ts'
import { toHex } from '../../packages/core/src/bytes.ts'
import { deriveIdentity } from '../../packages/core/src/identity/identity.ts'
import { sampleToken } from '../../packages/core/src/sampling/gumbel.ts'
import { encodeCanonical } from '../../packages/core/src/wire/canonical.ts'
import { certificateField } from '../../packages/core/src/wire/certificate.ts'
import { encodeFrame, type Frame } from '../../packages/core/src/wire/frames.ts'
import { encodeOffer, offerHash } from '../../packages/core/src/wire/offer.ts'
import {
  answerHash,
  answerSeed,
  firstRunningHash,
  nextRunningHash,
  nonceCommit,
  promptHash,
  receiptHash,
  signedHash,
  type Terms,
} from '../../packages/core/src/wire/transcript.ts'
import { auditVectors } from './audit-vectors.ts'
import { dueVectors } from './due-vectors.ts'
import { relayVectors } from './relay-vectors.ts'
import { setOffVectors } from './set-off-vectors.ts'
import { voucherConstants, voucherVectors } from './voucher-vectors.ts'

/** Every golden file by its path in the repository. The same inputs give the same bytes. */
export async function makeVectors(): Promise<Record<string, string>> {
  const voucher = await voucherVectors()
  return {
    'vectors/keys.json': toText(await keyVectors()),
    'vectors/frames.json': toText(await frameVectors()),
    'vectors/seed.json': toText(await seedVectors()),
    'vectors/sampler.json': toText(samplerVectors()),
    'vectors/due.json': toText(dueVectors()),
    'vectors/voucher.json': toText(voucher),
    'vectors/set-off.json': toText(await setOffVectors(voucher)),
    'vectors/audit.json': toText(auditVectors()),
    'vectors/relay.json': toText(await relayVectors()),
    'packages/contracts/test/VoucherVectors.sol': voucherConstants(voucher),
  }
}

/** JSON with byte strings in hex and amounts as decimal texts. */
function toText(value: unknown): string {
  const plain = (_: string, inner: unknown) => {
    if (typeof inner === 'bigint') return inner.toString()
    return inner instanceof Uint8Array ? toHex(inner) : inner
  }
  return `${JSON.stringify(value, plain, 2)}\n`
}

async function keyVectors() {
  const devices = await Promise.all(
    [0, 1, 65_535].map(async (index) => {
      const identity = await deriveIdentity(TEST_PHRASE, index)
      return {
        index,
        deviceKey: identity.device,
        deviceSecretKey: identity.deviceSecretKey,
        certificate: encodeCanonical(certificateField, identity.certificate),
        walletAddress: identity.wallet.address,
        voucherSignerAddress: identity.voucherSigner.address,
        channelSalts: [0, 1, 2].map((n) => identity.channelSalt(n)),
        coinSecret: identity.coinSecret,
      }
    }),
  )
  const { owner } = await deriveIdentity(TEST_PHRASE, 0)
  return {
    paths: {
      owner: "m/1215'/0' (SLIP-0010, Ed25519)",
      device: "m/1215'/1'/index' (SLIP-0010, Ed25519)",
      wallet: "m/44'/60'/0'/0/index (BIP-32, secp256k1)",
      voucherSigner: "m/1215'/2'/index' (BIP-32, secp256k1)",
      channelSalt: "HMAC-SHA256(m/1215'/3'/index' (BIP-32), u32le(n))",
      coinSecret: "m/1215'/4'/index' (BIP-32)",
    },
    phrase: TEST_PHRASE,
    ownerKey: owner,
    devices,
  }
}

async function frameVectors() {
  const { frames, offer, lender, evidence } = await makeTestAnswer()
  const { terms, ids, lpCommits, receipt, signed } = evidence
  if (receipt === null || signed === null) throw new Error('the test answer has a receipt')
  const voucher = {
    channelId: filled(32, 0xcc),
    cumulative: 2n ** 128n - 1n,
    sig: filled(65, 0x55),
    reqId: filled(16, 0x1d),
    tokens: 9,
    runningHash: signed.runningHash,
  }
  const others: Frame[] = [
    { kind: 'refuse', reason: 'payment', message: 'this lender is paid by channel' },
    { kind: 'progress', promptTokensDone: 300 },
    { kind: 'voucher', ...voucher },
    { kind: 'cancel' },
    { kind: 'audited', verdict: 'pass' },
    { kind: 'alive' },
    { kind: 'request', ...terms.request, voucher },
  ]
  const answer = answerHash(terms)
  let running = firstRunningHash(answer)
  const runningHashes = [running]
  for (const [t, id] of ids.entries()) {
    running = nextRunningHash(running, id, lpCommits[t] as Uint8Array)
    runningHashes.push(running)
  }
  return {
    lenderKey: lender.device,
    offer: { bytes: encodeOffer(offer), hash: offerHash(offer) },
    frames: [...frames, ...others].map((frame) => {
      const { kind, ...fields } = frame
      return { kind, fields, bytes: encodeFrame(frame) }
    }),
    hashes: {
      nonceCommit: nonceCommit(evidence.n),
      promptHash: promptHash(terms.request.promptIds),
      answerHash: answer,
      runningHashes,
      signedHash: signedHash(answer, signed.count, signed.runningHash),
      receiptHash: receiptHash(receipt.body),
    },
  }
}

async function seedVectors() {
  const { evidence } = await makeTestAnswer()
  const { terms } = evidence
  const cases: { n: Uint8Array; terms: Terms }[] = [
    { n: evidence.n, terms },
    { n: filled(32, 0), terms: { ...terms, request: { ...terms.request, b: filled(32, 0xff) } } },
    { n: evidence.n, terms: { ...terms, request: { ...terms.request, promptIds: [] } } },
    {
      n: evidence.n,
      terms: {
        ...terms,
        request: { ...terms.request, sampler: { id: 'gumbel-sha256/1', temperatureMilli: 0 } },
      },
    },
  ]
  return cases.map(({ n, terms: { open, request } }, i) => ({
    b: request.b,
    n,
    reqId: open.reqId,
    modelId: open.modelId,
    promptIds: request.promptIds,
    sampler: request.sampler,
    seed: answerSeed((cases[i] as { terms: Terms }).terms, n),
  }))
}

/** A number from -4 to 4 with few digits, the same everywhere. */
function logitOf(text: string): number {
  return (createHash('sha256').update(text).digest().readUInt16BE() - 32_768) / 8_192
}

function samplerVectors() {
  const cases = [0, 0.2, 0.8, 1, 2].flatMap((temperature) =>
    [1, 5, 64].map((size) => ({ temperature, size })),
  )
  return cases.map(({ temperature, size }, n) => {
    const rows = Array.from({ length: size }, (_, i) => {
      const id = 3 + i * 1_999
      return [id, logitOf(`${n} ${id}`)] as const
    }).sort(([a, x], [b, y]) => y - x || a - b)
    const top = {
      ids: Uint32Array.from(rows, ([id]) => id),
      logits: Float32Array.from(rows, ([, logit]) => logit),
    }
    const seed = new Uint8Array(createHash('sha256').update(`seed ${n}`).digest())
    return {
      seed,
      temperature,
      ids: [...top.ids],
      logits: [...top.logits],
      tokens: Array.from({ length: 16 }, (_, t) => sampleToken(top, seed, t, temperature)),
    }
  })
}
