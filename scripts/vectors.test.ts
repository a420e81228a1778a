import { createHash, createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { makeVectors } from './vectors/make-vectors.ts'

const made = await makeVectors()
const read = async (name: string): Promise<string> =>
  readFile(new URL(`../${name}`, import.meta.url), 'utf8')

describe('golden vectors', () => {
  for (const [name, text] of Object.entries(made)) {
    it(`default: ${name} says what the code does`, async () => {
      expect(await read(name)).toBe(text)
    })
  }

  it('behaviour: are the same each time they are made', async () => {
    expect(await makeVectors()).toEqual(made)
  })

  it('behaviour: relay.json hands over what the contract’s tests hold voucher.json against', async () => {
    const { orders, nonces } = JSON.parse(await read('vectors/voucher.json'))
    const { requests } = JSON.parse(await read('vectors/relay.json'))
    const of = (kind: string) =>
      requests.find(
        (row: { fields: { order: { kind: string } } }) => row.fields.order.kind === kind,
      )
    const names = {
      withdraw: 'Withdraw',
      openFromLedger: 'OpenFromBalance',
      topUpFromLedger: 'TopUpFromBalance',
      requestClose: 'RequestClose',
    }
    for (const [kind, name] of Object.entries(names)) {
      const { digest, signature } = orders.find(({ type }: { type: string }) => type === name)
      const row = of(kind)
      expect([row.digest, `0x${row.fields.order.signature}`]).toEqual([digest, signature])
    }
    expect(of('depositFromWallet').authorizationNonce).toBe(nonces.deposit)
    expect(of('topUpFromWallet').authorizationNonce).toBe(nonces.topUp)
  })

  it('behaviour: seed.json follows from its description alone', async () => {
    for (const row of JSON.parse(await read('vectors/seed.json'))) {
      const { b, n, reqId, modelId, promptIds, sampler, seed } = row
      const ids = Buffer.concat(promptIds.map((id: number) => u32le(id)))
      // CBOR: a list of the sampler's number and the temperature in thousandths.
      const { temperatureMilli: milli } = sampler
      const spec = Buffer.from(
        milli === 0 ? [0x82, 0, 0] : [0x82, 0, 0x19, milli >> 8, milli & 255],
      )
      const parts = [b, n, reqId, modelId].map((hex: string) => Buffer.from(hex, 'hex'))
      const own = tagged('seed', ...parts, tagged('prompt', ids), tagged('sampler', spec))
      expect(own.toString('hex')).toBe(seed)
    }
  })

  it('behaviour: sampler.json follows from its description alone', async () => {
    for (const row of JSON.parse(await read('vectors/sampler.json'))) {
      const seed = Buffer.from(row.seed, 'hex')
      const tokens = row.tokens.map((_: number, t: number) => {
        const key = createHmac('sha256', seed)
          .update(Buffer.concat([Buffer.from('g1|'), u32le(t)]))
          .digest()
        const scored = row.ids.slice(0, 40).map((id: number, i: number) => {
          const digest = createHash('sha256').update(key).update(u32le(id)).digest()
          const u = (Number(digest.readBigUInt64BE() >> 11n) + 0.5) / 2 ** 53
          const noise = row.temperature === 0 ? 0 : -Math.log(-Math.log(u))
          return { id, value: row.logits[i] / (row.temperature || 1) + noise }
        })
        scored.sort(
          (a: { id: number; value: number }, b: typeof a) => b.value - a.value || a.id - b.id,
        )
        return scored[0].id
      })
      expect(tokens).toEqual(row.tokens)
    }
  })
})

function u32le(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function tagged(tag: string, ...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256')
  for (const part of [Buffer.from(`freehold/1/${tag}`), ...parts]) {
    hash.update(u32le(part.length)).update(part)
  }
  return hash.digest()
}
