import {
  ANSWER_PROTOCOL,
  AUDIT_PROTOCOL,
  CHANNEL_PROTOCOL,
  OFFER_PROTOCOL,
  RELAY_PROTOCOL,
  SET_OFF_PROTOCOL,
} from './protocols.ts'

/**
 * What may go through a relay, which carries so many bytes and no more. Headers and weights are
 * megabytes that anybody reachable can serve: they are not among these, nor is what comes later.
 */
const PASSES: ReadonlySet<string> = new Set([
  OFFER_PROTOCOL,
  CHANNEL_PROTOCOL,
  SET_OFF_PROTOCOL,
  RELAY_PROTOCOL,
  AUDIT_PROTOCOL,
  ANSWER_PROTOCOL,
])

/** Long enough to be worth a try at a direct connection first. */
const DIRECT_FIRST: ReadonlySet<string> = new Set([AUDIT_PROTOCOL, ANSWER_PROTOCOL])

export const passesRelay = (protocol: string): boolean => PASSES.has(protocol)
export const isDirectFirst = (protocol: string): boolean =>
  DIRECT_FIRST.has(protocol) || !PASSES.has(protocol)
