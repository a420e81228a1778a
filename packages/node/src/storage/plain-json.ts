/** JSON that keeps bigints and byte strings; for rows of our own tables only. */

const BIGINT = '$bigint'
const BYTES = '$bytes'

export function toJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, plain: unknown) {
    // A Buffer turns itself into something else before it gets here.
    const inner = this[key] instanceof Uint8Array ? this[key] : plain
    if (typeof inner === 'bigint') return { [BIGINT]: inner.toString() }
    if (typeof inner === 'number' && !Number.isFinite(inner)) {
      throw new TypeError(`${key} is ${inner}, which JSON would turn into null`)
    }
    if (inner instanceof Uint8Array) return { [BYTES]: Buffer.from(inner).toString('base64') }
    return inner
  })
}

export function fromJson(text: string): unknown {
  return JSON.parse(text, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null) return inner
    const { [BIGINT]: big, [BYTES]: bytes } = inner as Record<string, unknown>
    if (typeof big === 'string') return BigInt(big)
    if (typeof bytes === 'string') return new Uint8Array(Buffer.from(bytes, 'base64'))
    return inner
  })
}
