/** Reads little-endian values one after the other and never beyond the end. */
export class ByteCursor {
  at = 0
  readonly #view: DataView
  readonly #bytes: Uint8Array
  readonly #onEnd: (what: string) => Error

  /** @param onEnd makes the error that is thrown when a read would pass the end */
  constructor(bytes: Uint8Array, onEnd: (what: string) => Error) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#onEnd = onEnd
  }

  /** Moves on by `count` bytes. @returns where it was */
  skip(count: number): number {
    if (count > this.#bytes.length - this.at) throw this.#onEnd(`${count} bytes at ${this.at}`)
    const from = this.at
    this.at += count
    return from
  }

  u32(): number {
    return this.#view.getUint32(this.skip(4), true)
  }

  /** A u64 that counts something; beyond 2^53 it becomes inexact, which any limit catches. */
  size(): number {
    return Number(this.#view.getBigUint64(this.skip(8), true))
  }

  /** UTF-8 of `count` bytes; broken characters become U+FFFD. */
  text(count: number): string {
    const from = this.skip(count)
    return UTF8.decode(this.#bytes.subarray(from, this.at))
  }

  /** A number or boolean of a GGUF value type; undefined when the type is none of these. */
  number(type: number): number | bigint | boolean | undefined {
    switch (type) {
      case 0:
        return this.#view.getUint8(this.skip(1))
      case 1:
        return this.#view.getInt8(this.skip(1))
      case 2:
        return this.#view.getUint16(this.skip(2), true)
      case 3:
        return this.#view.getInt16(this.skip(2), true)
      case 4:
        return this.u32()
      case 5:
        return this.#view.getInt32(this.skip(4), true)
      case 6:
        return this.#view.getFloat32(this.skip(4), true)
      case 7:
        return this.#view.getUint8(this.skip(1)) !== 0
      case 10:
        return this.#view.getBigUint64(this.skip(8), true)
      case 11:
        return this.#view.getBigInt64(this.skip(8), true)
      case 12:
        return this.#view.getFloat64(this.skip(8), true)
      default:
        return undefined
    }
  }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })
