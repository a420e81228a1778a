import type { Stream, StreamMuxerFactory } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import { equal } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { ANSWER_PROTOCOL } from './protocols.ts'

/**
 * Protocols whose first message leaves along with their name, instead of a round trip after it. What comes first here is no content:
 * a device that does not know the protocol has learned nothing but that.
 */
const EAGER: ReadonlySet<string> = new Set([ANSWER_PROTOCOL])

/** What multistream-select says before a stream's own messages, each with its length before it. */
const HELLO = '/multistream/1.0.0'

/** Streams of which nothing was read yet, and what must come first on them. */
const unread = new WeakMap<Stream, Uint8Array[]>()

/** Yamux, whose streams of such protocols do not wait until the other side has said that it knows them. */
export function eagerYamux(
  init: Parameters<typeof yamux>[0],
): (...components: Parameters<ReturnType<typeof yamux>>) => StreamMuxerFactory {
  const create = yamux(init)
  return (...components) => {
    const factory = create(...components)
    const open = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const muxer = open(connection)
      const createStream = muxer.createStream.bind(muxer)
      muxer.createStream = async (options) => {
        const stream = await createStream(options)
        const { protocol } = options ?? {}
        if (protocol !== undefined && EAGER.has(protocol)) beginEagerly(stream, protocol)
        return stream
      }
      return muxer
    }
    return factory
  }
}

function beginEagerly(stream: Stream, protocol: string): void {
  const said = [HELLO, protocol].map((line) => new TextEncoder().encode(`${line}\n`))
  for (const line of said) stream.send(Uint8Array.of(line.length, ...line))
  // libp2p asks for nothing where a stream has its protocol.
  stream.protocol = protocol
  unread.set(stream, said)
}

/**
 * Reads what the other side says to the protocol's name, once.
 * @throws LendingError `lost` when it does not know the protocol
 */
export async function readGreeting(
  stream: Stream,
  read: () => Promise<Uint8Array | null>,
): Promise<void> {
  const expected = unread.get(stream)
  if (expected === undefined) return
  for (let line = expected[0]; line !== undefined; line = expected[0]) {
    const said = await read()
    if (said === null) return
    if (!equal(said, line)) {
      throw new LendingError('lost', {
        what: 'the other device does not lend',
        why: `it does not know ${stream.protocol}`,
      })
    }
    expected.shift()
  }
  unread.delete(stream)
}
