import {
  type ChannelRecord,
  createChannelRecord,
} from '../../packages/core/src/clearing/channel.ts'
import {
  closeUnpaid,
  dueAmount,
  foldAnswer,
  holdAnswer,
  noteCached,
  noteSigned,
  paidAmount,
  payAnswer,
  reservedAmount,
  startAnswer,
} from '../../packages/core/src/clearing/meter.ts'
import { channelIdOf } from '../../packages/core/src/clearing/typed-data.ts'
import type { Prices } from '../../packages/core/src/wire/offer.ts'

/** What happens to an answer on the channel. */
type Step =
  | { do: 'start'; answer: string; prices: Prices; promptTokens: number; maxTokens: number }
  | { do: 'cached' | 'sign' | 'pay'; answer: string; tokens: number }
  | { do: 'hold' | 'withhold' | 'fold'; answer: string }

const PRICES: Prices = { prompt: 100_001, cached: 25_003, output: 400_007 }
const start = (answer: string, promptTokens: number, maxTokens: number, prices = PRICES): Step => ({
  do: 'start',
  answer,
  prices,
  promptTokens,
  maxTokens,
})

const CASES: { name: string; relayFee: bigint; steps: Step[] }[] = [
  {
    name: 'one answer, paid as it comes',
    relayFee: 5_000n,
    steps: [
      start('a', 41, 64),
      { do: 'cached', answer: 'a', tokens: 7 },
      { do: 'sign', answer: 'a', tokens: 16 },
      { do: 'pay', answer: 'a', tokens: 0 },
      { do: 'pay', answer: 'a', tokens: 16 },
      { do: 'sign', answer: 'a', tokens: 23 },
      { do: 'hold', answer: 'a' },
      { do: 'pay', answer: 'a', tokens: 23 },
      { do: 'fold', answer: 'a' },
    ],
  },
  {
    name: 'two answers, one of them withheld',
    relayFee: 0n,
    steps: [
      start('a', 3, 10),
      start('b', 5, 20, { prompt: 1, cached: 0, output: 1 }),
      { do: 'sign', answer: 'a', tokens: 10 },
      { do: 'pay', answer: 'a', tokens: 4 },
      { do: 'hold', answer: 'a' },
      { do: 'sign', answer: 'b', tokens: 20 },
      { do: 'withhold', answer: 'a' },
      { do: 'pay', answer: 'b', tokens: 20 },
      { do: 'hold', answer: 'b' },
      { do: 'fold', answer: 'b' },
    ],
  },
  {
    name: 'tiny answers are rounded up once',
    relayFee: 0n,
    steps: ['a', 'b', 'c'].flatMap((answer): Step[] => [
      start(answer, 0, 1, { prompt: 0, cached: 0, output: 333_334 }),
      { do: 'sign', answer, tokens: 1 },
      { do: 'pay', answer, tokens: 1 },
      { do: 'hold', answer },
      { do: 'fold', answer },
    ]),
  },
]

function take(record: ChannelRecord, step: Step): ChannelRecord {
  const { answer } = step
  switch (step.do) {
    case 'start':
      return startAnswer(record, answer, { ...step, startedAtMs: 0 })
    case 'cached':
      return noteCached(record, answer, step.tokens)
    case 'sign':
      return noteSigned(record, answer, step.tokens)
    case 'pay':
      return payAnswer(record, answer, step.tokens)
    case 'hold':
      return holdAnswer(record, answer, 0)
    case 'withhold':
      return closeUnpaid(record, answer, 'withheld')
    case 'fold':
      return foldAnswer(record, answer)
  }
}

/** Amounts of a channel after each step. */
export function dueVectors() {
  return CASES.map(({ name, relayFee, steps }) => {
    let record = { ...emptyChannel(), relayFee }
    return {
      name,
      relayFee,
      steps: steps.map((step) => {
        record = take(record, step)
        const [paid, due] = [paidAmount(record), dueAmount(record)]
        return { ...step, paid, due, reserved: reservedAmount(record) }
      }),
    }
  })
}

function emptyChannel(): ChannelRecord {
  const address = `0x${'00'.repeat(20)}` as const
  const house = { chainId: 1, address }
  const config = {
    payer: address,
    signer: address,
    payee: address,
    delay: 900,
    flags: 0,
    salt: `0x${'00'.repeat(32)}` as const,
  }
  const id = channelIdOf(house, config)
  const known = { id, role: 'payee', peer: '', house, token: address, config } as const
  return createChannelRecord({ ...known, deposit: 10n ** 12n, status: 'open' })
}
