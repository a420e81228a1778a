/** Names of the streams that devices open to each other. */
export const OFFER_PROTOCOL = '/freehold/offer/1'
export const ANSWER_PROTOCOL = '/freehold/answer/1'
export const HEADER_PROTOCOL = '/freehold/header/1'
export const AUDIT_PROTOCOL = '/freehold/audit/1'
export const CHANNEL_PROTOCOL = '/freehold/channel/1'
export const SET_OFF_PROTOCOL = '/freehold/set-off/1'
export const RELAY_PROTOCOL = '/freehold/relay/1'
export const PAIR_PROTOCOL = '/freehold/pair/1'
