import { type GossipSub, gossipsub, TopicValidatorResult } from '@libp2p/gossipsub'
import { MAX_OFFER_BYTES } from '../wire/limits.ts'

/** What a device thinks of an offer that it was told: pass it on, let it lie, or blame its bringer. */
export type Judgement = 'accept' | 'ignore' | 'reject'

/**
 * @param from device key of who signed the message
 * @param bringer peer id of the neighbour that brought it
 */
export type OfferJudge = (data: Uint8Array, from: Uint8Array, bringer: string) => Promise<Judgement>

/** Offers that lenders tell everybody, and everybody passes on. */
export interface OfferGossip {
  /** Takes part from here on. What is not judged goes nowhere. */
  listen(judge: OfferJudge): void
  /** Tells an offer. @returns how many neighbours took it */
  tell(offer: Uint8Array): Promise<number>
}

/** Each network of devices has its own: who clears elsewhere need not hear what is offered here. */
export function offerTopic(network: string): string {
  return `/freehold/offers/1/${network}`
}

/** A packet carries several messages; more than eight of the largest come from nobody who means well. */
const MAX_PACKET_BYTES = 8 * MAX_OFFER_BYTES
/** What a neighbour may subscribe to: there is one topic. */
const MAX_TOPIC_BYTES = 8 * 1024

/**
 * Three offers that do not hold, and a neighbour is not heard any more (its score is -10 for one, -40
 * for two, -90 for three; -80 is deaf); half is forgiven after five minutes. That nothing is brought is no fault:
 * offers are rare.
 */
const SCORING = {
  topicWeight: 0.5,
  timeInMeshWeight: 0,
  firstMessageDeliveriesWeight: 0,
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  invalidMessageDeliveriesWeight: -20,
  invalidMessageDeliveriesDecay: 0.9977,
}

const VERDICTS: Readonly<Record<Judgement, TopicValidatorResult>> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

export function offerGossipService(network: string) {
  const topic = offerTopic(network)
  return gossipsub({
    allowedTopics: [topic],
    globalSignaturePolicy: 'StrictSign',
    allowPublishToZeroTopicPeers: true,
    fallbackToFloodsub: false,
    doPX: false,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: MAX_PACKET_BYTES,
    maxTopicBytesPerPeer: MAX_TOPIC_BYTES,
    scoreParams: {
      topics: { [topic]: SCORING as never },
      // Many homes share one address, and a page of devices on one machine shares another.
      IPColocationFactorWeight: 0,
    },
  })
}

export function openOfferGossip(pubsub: GossipSub, network: string): OfferGossip {
  const topic = offerTopic(network)
  pubsub.topicValidators.set(topic, () => TopicValidatorResult.Ignore)
  return {
    listen: (judge) => {
      pubsub.topicValidators.set(topic, async (bringer, message) => {
        if (message.type !== 'signed' || message.from.type !== 'Ed25519') {
          return TopicValidatorResult.Reject
        }
        if (message.data.length > MAX_OFFER_BYTES) return TopicValidatorResult.Reject
        const from = message.from.publicKey.raw
        return VERDICTS[await judge(message.data, from, bringer.toString())]
      })
      pubsub.subscribe(topic)
    },
    tell: async (offer) => (await pubsub.publish(topic, offer)).recipients.length,
  }
}
