import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { ANSWER_PROTOCOL, OFFER_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import { tcp } from '@libp2p/tcp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const MAX_BYTES = 1_024
const WORDS = [Uint8Array.of(1), Uint8Array.of(2, 3), new Uint8Array(300).fill(4)]

let near: Mesh
let far: Mesh
let address: string
beforeEach(async () => {
  const open = (listen: string[]) =>
    createMesh(
      { identity: { deviceSecretKey: systemRandom(32) }, listen },
      { transports: [tcp()], log: () => {} },
    )
  near = await open([])
  far = await open(['/ip4/127.0.0.1/tcp/0'])
  address = far.addresses()[0] ?? ''
})
afterEach(async () => {
  for (const mesh of [near, far]) await mesh[Symbol.asyncDispose]()
})

describe('a stream whose first message leaves with its name', () => {
  it.for([ANSWER_PROTOCOL, OFFER_PROTOCOL])(
    'default: %s carries what both sides say, in order',
    async (protocol) => {
      await far.handle(protocol, async (stream) => {
        const messages = messagesOver(stream, MAX_BYTES)
        for (;;) {
          const data = await messages.read()
          if (data === null) return
          await messages.write(data)
        }
      })
      const { stream } = await near.open(address, protocol)
      const messages = messagesOver(stream, MAX_BYTES)
      for (const word of WORDS) await messages.write(word)
      for (const word of WORDS) expect(new Uint8Array((await messages.read())!)).toEqual(word)
      await messages.close()
    },
  )

  it('behaviour: whether the other side knows the protocol is not waited for, but read before its first message', async () => {
    const { stream } = await near.open(address, ANSWER_PROTOCOL)
    const messages = messagesOver(stream, MAX_BYTES)
    await messages.write(Uint8Array.of(1))
    await expect(messages.read()).rejects.toMatchObject({ reason: 'lost' })
    // Others hear it when they open the stream.
    await expect(near.open(address, OFFER_PROTOCOL)).rejects.toMatchObject({ reason: 'lost' })
  })
})
