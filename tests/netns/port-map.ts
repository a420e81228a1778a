import { execFileSync } from 'node:child_process'
import { WAN } from './nat-rules.ts'

/** Ports that a router maps, in nftables of the namespace that this process is in. */
export interface PortMap {
  add(protocol: 'tcp' | 'udp', port: number, target: { host: string; port: number }): void
  /** @returns whether it was there */
  remove(protocol: 'tcp' | 'udp', port: number): boolean
  /** `tcp . 4215 -> 10.0.0.2 . 4215` */
  list(): string[]
}

export function createPortMap(): PortMap {
  const mappings = new Map<string, string>()
  const nft = (rules: string) => execFileSync('nft', ['-f', '-'], { input: rules })
  nft(`table ip mapped {
  map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain in {
    type nat hook prerouting priority dstnat + 2;
    iifname "${WAN}" dnat ip to meta l4proto . th dport map @ports
  }
}`)
  const remove: PortMap['remove'] = (protocol, port) => {
    const key = `${protocol} . ${port}`
    if (!mappings.delete(key)) return false
    nft(`delete element ip mapped ports { ${key} }`)
    return true
  }
  return {
    add: (protocol, port, target) => {
      remove(protocol, port)
      const [key, to] = [`${protocol} . ${port}`, `${target.host} . ${target.port}`]
      nft(`add element ip mapped ports { ${key} : ${to} }`)
      mappings.set(key, to)
    },
    remove,
    list: () => [...mappings].map((pair) => pair.join(' -> ')),
  }
}
