import { describe, expect, it } from 'vitest'
import { replyTo } from './stun-responder.ts'

// RFC 5769, 2.2: the address of its IPv4 response, under its transaction id.
const ID = 'b7e7a701bc34d686fa87dfae'
const request = Buffer.from(`00010000 2112a442 ${ID}`.replaceAll(' ', ''), 'hex')

describe('who asks under which address it is seen', () => {
  it('default: says it as the RFC’s example does', () => {
    const reply = replyTo(request, '192.0.2.1', 32_853)
    expect(reply?.toString('hex')).toBe(`0101000c2112a442${ID}002000080001a147e112a643`)
  })

  it('behaviour: has no word for anything else', () => {
    const response = Buffer.from(request)
    response[0] = 1
    const strays = [response, request.subarray(1), Buffer.alloc(2_000), Buffer.alloc(0)]
    for (const stray of strays) expect(replyTo(stray, '192.0.2.1', 1)).toBeNull()
  })
})
