import { equal } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { messagesOver } from '../mesh/frames-over-stream.ts'
import type { Mesh } from '../mesh/mesh.ts'

/**
 * Sends one request to a device and reads its one reply.
 * @param device key that the other side must prove
 * @throws LendingError when nobody answers, or another device; WireError when a reply is too large
 */
export async function exchange(
  mesh: Mesh,
  to: { address: string; device: Uint8Array; protocol: string },
  data: Uint8Array,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<Uint8Array> {
  const { stream, peer } = await mesh.open(to.address, to.protocol, { signal })
  const messages = messagesOver(stream, maxBytes)
  try {
    if (!equal(peer, to.device)) {
      throw new LendingError('protocol', { what: 'another device answers at this address' })
    }
    await messages.write(data, { signal })
    const reply = await messages.read({ signal })
    await messages.close()
    if (reply === null) throw new LendingError('lost', { what: 'it hung up' })
    return reply
  } catch (error) {
    messages.abort(error as Error)
    throw error
  }
}
