/** A network in one process: real libp2p streams between devices that can be cut off. */
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import type { Mesh, StreamHandler } from './mesh.ts'

export interface MemoryNode extends Mesh {
  /** Cuts every stream of this node, as the kernel does when a process dies. */
  cut(): void
}

export interface MemoryNetwork {
  /**
   * Connects a device under its key; a later one with the same key takes its place.
   * @param onSend called before each piece of data leaves; false: it never does
   */
  node(device: Uint8Array, onSend: () => boolean): MemoryNode
}

const DEATH = new Error('the process died')

export function createMemoryNetwork(): MemoryNetwork {
  const nodes = new Map<string, ReturnType<typeof createNode>>()

  function createNode(device: Uint8Array, onSend: () => boolean) {
    const handlers = new Map<string, StreamHandler>()
    const streams = new Set<Stream>()
    let isCut = false
    const watch = (stream: Stream): Stream => {
      streams.add(stream)
      if (isCut) stream.abort(DEATH)
      const send = stream.send.bind(stream)
      stream.send = (data) => (onSend() ? send(data) : true)
      return stream
    }
    const address = `/memory/${toHex(device)}`
    const mesh: MemoryNode = {
      addresses: () => [address],
      handle: async (protocol, handler) => {
        handlers.set(protocol, handler)
      },
      onConnected: () => {},
      open: async (to, protocol) => {
        const other = nodes.get(to)
        const handler = other?.handlers.get(protocol)
        if (!other || !handler) throw new LendingError('lost', { what: 'nobody is there' })
        const [near, far] = await streamPair({ protocol })
        const inbound = other.watch(far)
        handler(inbound, device)
          .then(() => inbound.close())
          .catch((error: Error) => inbound.abort(error))
        return { stream: watch(near), peer: other.device }
      },
      cut: () => {
        if (nodes.get(address) === self) nodes.delete(address)
        isCut = true
        for (const stream of streams) stream.abort(DEATH)
      },
      [Symbol.asyncDispose]: async () => mesh.cut(),
    }
    const self = { device, handlers, watch, mesh, address }
    return self
  }

  return {
    node: (device, onSend) => {
      const node = createNode(device, onSend)
      nodes.set(node.address, node)
      return node.mesh
    },
  }
}
