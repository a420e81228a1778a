/** Kinds of address translation, as RFC 3489 named them, in the order of how much they let through. */
export const NAT_KINDS = ['full cone', 'port restricted', 'symmetric'] as const
export type NatKind = (typeof NAT_KINDS)[number]

/** Interfaces of every router here. */
export const LAN = 'lan'
export const WAN = 'wan'

/** What a real router keeps of a UDP mapping that is not used (RFC 4787 wants 2 minutes at least). */
const MAPPING_SECONDS = 120

/**
 * nftables' rules of a router. What comes in from outside for nobody is dropped without a word: an
 * answer would leave an entry that makes the next mapping another one.
 */
export function natRules(kind: NatKind): string {
  const isOpen = kind === 'full cone'
  return `
table ip router {
  map cone {
    type inet_proto . inet_service : ipv4_addr . inet_service
    flags dynamic,timeout
    timeout ${MAPPING_SECONDS}s
  }
  chain forwarded { type nat hook prerouting priority dstnat; }
  chain in {
    type nat hook prerouting priority dstnat + 1;
    ${isOpen ? `iifname "${WAN}" dnat ip to meta l4proto . th dport map @cone` : ''}
  }
  chain out {
    type nat hook postrouting priority srcnat;
    oifname "${WAN}" meta l4proto { tcp, udp } masquerade ${kind === 'symmetric' ? 'random,fully-random' : ''}
    oifname "${WAN}" masquerade
  }
  chain own {
    type filter hook input priority filter; policy accept;
    iifname "${WAN}" ct state established,related accept
    iifname "${WAN}" drop
  }
  chain through {
    type filter hook forward priority filter; policy drop;
    ${isOpen ? `iifname "${LAN}" oifname "${WAN}" meta l4proto { tcp, udp } update @cone { meta l4proto . th sport : ip saddr . th sport }` : ''}
    iifname "${LAN}" oifname "${WAN}" accept
    ct state established,related accept
    ct status dnat accept
  }
}
`
}
