import type { Mesh } from '@freehold/core/mesh/mesh'
import { ANSWER_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import { decodeFrame, encodeFrame, type Frame } from '@freehold/core/wire/frames'
import type { Lie, Mood } from './protocol.ts'

type Send = (data: Uint8Array | { subarray(): Uint8Array }) => boolean

/** A network under which a lender's own words change on their way, as its mood has it. */
export function lyingMesh(mesh: Mesh, mood: () => Mood, onLie: (lie: Lie) => void): Mesh {
  return {
    ...mesh,
    handle: (protocol, handler) =>
      mesh.handle(protocol, async (stream, peer) => {
        if (protocol === ANSWER_PROTOCOL) {
          const send = stream.send.bind(stream) as Send
          let hasLied = false
          stream.send = ((data: Parameters<Send>[0]) => {
            const bytes = data instanceof Uint8Array ? data : data.subarray()
            const changed = hasLied ? null : twist(bytes, mood())
            if (changed === null) return send(data)
            hasLied = true
            onLie(mood() as Lie)
            return send(changed)
          }) as typeof stream.send
        }
        await handler(stream, peer)
      }),
  }
}

/** The bytes with a lie in them; null where there is no place for it. */
function twist(data: Uint8Array, mood: Mood): Uint8Array | null {
  if (mood === 'well' || mood === 'slow' || mood === 'wedged' || mood === 'wrong-model') return null
  const frames = split(data)
  const at = frames.findIndex(({ kind }) => kind === 'signed')
  const signed = frames[at]
  if (signed?.kind !== 'signed') return null
  if (mood === 'garbage') return message(systemRandom(48))
  const lie: Frame =
    mood === 'bad-signature'
      ? { ...signed, sig: flipped(signed.sig) }
      : { ...signed, runningHash: flipped(signed.runningHash) }
  const said = mood === 'replay' ? [...frames, signed] : frames.with(at, lie)
  return Buffer.concat(said.map((frame) => message(encodeFrame(frame))))
}

function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.with(0, (bytes[0] ?? 0) ^ 1)
}

/** Frames with their lengths before them, as they go over a stream. */
function split(data: Uint8Array): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < data.length; ) {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = data[at++] ?? 0
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    frames.push(decodeFrame(data.slice(at, at + length)))
    at += length
  }
  return frames
}

function message(data: Uint8Array): Uint8Array {
  const prefix: number[] = []
  let left = data.length
  for (; left >= 0x80; left >>>= 7) prefix.push((left & 0x7f) | 0x80)
  return Uint8Array.of(...prefix, left, ...data)
}
