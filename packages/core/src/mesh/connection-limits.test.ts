import type { MultiaddrConnection, PeerId } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { type CountedConnection, createConnectionLimits, hostOf } from './connection-limits.ts'

const LIMITS = { connectionsPerDevice: 2, connectionsPerHost: 3, pendingPerHost: 2 }

function start() {
  const there: CountedConnection[] = []
  const gater = createConnectionLimits(LIMITS, () => there)
  const handshake = (address: string) => {
    const target = new EventTarget()
    const maConn = Object.assign(target, { remoteAddr: address }) as unknown as MultiaddrConnection
    const isDenied = gater.denyInboundConnection?.(maConn)
    return {
      isDenied,
      close: () => target.dispatchEvent(new Event('close')),
      finish: (remotePeer: string) => {
        void gater.denyInboundUpgradedConnection?.(remotePeer as unknown as PeerId, maConn)
        there.push({ remotePeer, remoteAddr: address })
      },
    }
  }
  const isPeerDenied = (peer: string) =>
    gater.denyInboundEncryptedConnection?.(
      peer as unknown as PeerId,
      null as unknown as MultiaddrConnection,
    )
  return { handshake, isPeerDenied }
}

describe('createConnectionLimits', () => {
  it('behaviour: a WebRTC connection that never came about is none', () => {
    const gater = createConnectionLimits(LIMITS, () => [])
    const seen = ['new', 'connecting', 'connected', 'failed'].map((connectionState) => {
      const maConn = { remoteAddr: '/webrtc/p2p/a', peerConnection: { connectionState } }
      const peer = 'a' as unknown as PeerId
      return gater.denyInboundUpgradedConnection?.(peer, maConn as unknown as MultiaddrConnection)
    })
    expect(seen).toEqual([true, true, false, true])
  })

  it('default: one host has some handshakes at once, and has them again when they are done', () => {
    const { handshake } = start()
    const first = handshake('/ip4/1.2.3.4/tcp/1')
    const second = handshake('/ip4/1.2.3.4/tcp/2')
    expect([first.isDenied, second.isDenied]).toEqual([false, false])
    expect(handshake('/ip4/1.2.3.4/tcp/3').isDenied).toBe(true)
    expect(handshake('/ip4/1.2.3.5/tcp/1').isDenied).toBe(false)
    first.close()
    expect(handshake('/ip4/1.2.3.4/tcp/4').isDenied).toBe(false)
    second.finish('a')
    expect(handshake('/ip4/1.2.3.4/tcp/5').isDenied).toBe(false)
  })

  it('behaviour: a host has so many connections, and this machine as many as there are', () => {
    const { handshake } = start()
    for (let port = 0; port < 3; port++) handshake(`/ip4/1.2.3.4/tcp/${port}`).finish(`${port}`)
    expect(handshake('/ip4/1.2.3.4/tcp/9').isDenied).toBe(true)
    for (let port = 0; port < 3; port++) handshake(`/ip4/127.0.0.1/tcp/${port}`).finish(`l${port}`)
    expect(handshake('/ip4/127.0.0.1/tcp/9').isDenied).toBe(false)
  })

  it('behaviour: one device has so many connections, wherever it comes from', () => {
    const { handshake, isPeerDenied } = start()
    handshake('/ip4/1.2.3.4/tcp/1').finish('a')
    expect(isPeerDenied('a')).toBe(false)
    handshake('/ip4/1.2.3.5/tcp/1').finish('a')
    expect(isPeerDenied('a')).toBe(true)
    expect(isPeerDenied('b')).toBe(false)
  })
})

describe('hostOf', () => {
  it.each([
    ['/ip4/1.2.3.4/tcp/1', '1.2.3.4'],
    ['/ip6/2001:db8:1:2:3:4:5:6/tcp/1', '2001:db8:1:2::/64'],
    ['/ip6/2001:db8:1:2::9/tcp/1', '2001:db8:1:2::/64'],
    ['/ip6/2001:0db8::9/tcp/1', '2001:db8:0:0::/64'],
    ['/ip6/::1/tcp/1', '::1'],
  ])('default: %s is %s', (address, host) => {
    expect(hostOf(address)).toBe(host)
  })
})
