import { renameToken } from '@freehold/core/engine/broken-models.fixture'
import { requireNewlineToken } from '@freehold/core/engine/describe-gguf'
import { ggufStrings, HeaderCut, parseGguf } from '@freehold/core/engine/gguf'
import { ModelError } from '@freehold/core/errors'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { readGguf } from './read-gguf.ts'
import { ACORN, createBrokenModels } from './test-models.ts'

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)])

/** A small GGUF with one entry of each kind, two tensors and their data. */
function build(init: { version?: number; alignment?: Buffer; secondOffset?: number } = {}): Buffer {
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(init.version ?? 3),
    ...[u64(2), u64(5)],
    ...[text('general.architecture'), u32(8), text('llama')],
    ...[text('general.alignment'), u32(4), init.alignment ?? u32(64)],
    ...[text('a.flag'), u32(7), Buffer.of(1)],
    ...[text('a.big'), u32(10), u64(2n ** 60n)],
    ...[text('a.list'), u32(9), u32(8), u64(2), text('x'), text('Ċ')],
    ...[text('one'), u32(2), u64(32), u64(3), u32(8), u64(0)],
    ...[text('two'), u32(1), u64(5), u32(0), u64(init.secondOffset ?? 128)],
  ])
  const data = Math.ceil(head.length / 64) * 64
  return Buffer.concat([head, Buffer.alloc(data - head.length + 128 + 20)])
}

describe('parseGguf', () => {
  it('default: reads metadata and where the tensors lie', () => {
    const bytes = build()
    const header = parseGguf(bytes, bytes.length)
    expect(header.metadata.get('general.architecture')).toBe('llama')
    expect(header.metadata.get('a.flag')).toBe(true)
    expect(header.metadata.get('a.big')).toBe(2n ** 60n)
    expect(ggufStrings(header, 'a.list')).toEqual(['x', 'Ċ'])
    expect(ggufStrings(header, 'a.flag')).toBeUndefined()
    const { dataOffset } = header
    expect(dataOffset % 64).toBe(0)
    expect(header.tensors).toEqual([
      { name: 'one', type: 8, dimensions: [32, 3], offset: dataOffset, sizeBytes: 102 },
      { name: 'two', type: 0, dimensions: [5], offset: dataOffset + 128, sizeBytes: 20 },
    ])
  })

  it('behaviour: says what is wrong', () => {
    const wrong: [Buffer, RegExp][] = [
      [Buffer.from('%PDF-1.7 and more'), /letters GGUF/],
      [build({ version: 1 }), /version is 1/],
      [build({ alignment: u32(48) }), /no power of two/],
      [build({ alignment: u32(0) }), /no power of two/],
      [build({ secondOffset: 100 }), /two is not aligned/],
      [build({ secondOffset: 192 }), /the tensor two needs/],
      [replace(build(), 'two', 'one'), /one is there twice/],
      [replace(build(), 'a.flag', 'a.list'), /a\.list is there twice/],
    ]
    for (const [bytes, message] of wrong) {
      expect(() => parseGguf(bytes, bytes.length)).toThrow(ModelError)
      expect(() => parseGguf(bytes, bytes.length)).toThrow(message)
    }
  })

  it('behaviour: does not believe huge counts', () => {
    for (const at of [8, 16, 24]) {
      for (const count of [2n ** 64n - 1n, 2n ** 53n, 2n ** 31n]) {
        const bytes = build()
        bytes.writeBigUInt64LE(count, at)
        expect(() => parseGguf(bytes, bytes.length)).toThrow(/not believed/)
      }
    }
  })

  it('behaviour: a file that ends early is cut, wherever it ends', () => {
    const bytes = build()
    const { dataOffset } = parseGguf(bytes, bytes.length)
    for (let length = 0; length < bytes.length; length++) {
      const part = bytes.subarray(0, length)
      const expected = length < dataOffset - 64 ? HeaderCut : Error
      expect(() => parseGguf(part, length)).toThrow(expected)
    }
  })

  it('behaviour: whatever bytes come, it is parsed, cut or refused', () => {
    const sound = build()
    const edits = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = Buffer.from(sound)
        for (const [at, value] of changes) bytes[at] = value
        try {
          parseGguf(bytes, bytes.length)
        } catch (error) {
          expect(error instanceof ModelError || error instanceof HeaderCut).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('readGguf', async () => {
  const broken = await createBrokenModels()
  afterAll(async () => {
    await broken[Symbol.asyncDispose]()
  })

  it('default: reads the bundled model', async () => {
    const { header, stats } = await readGguf(ACORN)
    const last = Math.max(...header.tensors.map((tensor) => tensor.offset + tensor.sizeBytes))
    expect(last).toBeLessThanOrEqual(stats.size)
    expect(header.metadata.get('general.architecture')).toBe('llama')
    expect(ggufStrings(header, 'tokenizer.ggml.tokens')).toContain('Ċ')
    requireNewlineToken(header)
  })

  it('behaviour: a vocabulary without newline is refused', async () => {
    const path = await broken.make('no-newline', (bytes) => renameToken(bytes, 'Ċ', 'ф'))
    const { header } = await readGguf(path)
    expect(() => requireNewlineToken(header)).toThrow(/no token for the newline/)
  })

  it('behaviour: a file that ends in its header says so', async () => {
    const path = await broken.make('cut', (bytes) => bytes.subarray(0, 1000))
    await expect(readGguf(path)).rejects.toThrow(/ends at byte 1000, inside its header/)
    await expect(readGguf(`${path}.none`)).rejects.toThrow(/cannot be read: ENOENT/)
  })

  it('behaviour: stops when aborted', async () => {
    const signal = AbortSignal.abort(new Error('no'))
    await expect(readGguf(ACORN, { signal })).rejects.toThrow('no')
  })
})

function replace(bytes: Buffer, from: string, to: string): Buffer {
  bytes.write(to, bytes.indexOf(from))
  return bytes
}
