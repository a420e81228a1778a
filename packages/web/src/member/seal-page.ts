import type { MemberSettings } from './member-settings.ts'

const WEB_RTC = ['RTCPeerConnection', 'webkitRTCPeerConnection', 'RTCDataChannel'] as const

/**
 * What a page may connect to. Without keys that is its own origin alone. With keys it is also other
 * devices, whose addresses no policy can name beforehand, and the chain's node.
 * @param hosts origins of models that are on their way
 */
export function policyFor(
  hasKeys: boolean,
  { chain }: MemberSettings,
  hosts: readonly string[] = [],
): string {
  const nodes = chain === null ? [] : [chain.rpc].flat().map((url) => new URL(url).origin)
  const farther = hasKeys ? ['ws:', 'wss:', ...nodes] : []
  return `connect-src ${["'self'", 'blob:', ...farther, ...hosts].join(' ')}`
}

/**
 * Holds until the page is loaded again: a policy that is added cannot be taken back. No policy that browsers
 * know speaks of WebRTC, so a page without keys does not have it.
 */
export function sealPage(policy: string, hasKeys: boolean): void {
  if (!hasKeys) {
    for (const name of WEB_RTC) Reflect.deleteProperty(globalThis, name)
  }
  const meta = document.createElement('meta')
  meta.httpEquiv = 'Content-Security-Policy'
  meta.content = policy
  document.head.append(meta)
}
