import { describe, expect, it } from 'vitest'
import { bindingRequest, mappedAddress, replyTo } from './stun.ts'

// RFC 5769, 2.2: the address of its IPv4 response, under its transaction id.
const ID = 'b7e7a701bc34d686fa87dfae'
const request = Buffer.from(`00010000 2112a442 ${ID}`.replaceAll(' ', ''), 'hex')
const response = Buffer.from(`0101000c2112a442${ID}002000080001a147e112a643`, 'hex')

describe('who asks under which address it is seen', () => {
  it('default: says it as the RFC’s example does', () => {
    expect(bindingRequest(Buffer.from(ID, 'hex'))).toEqual(request)
    expect(replyTo(request, '192.0.2.1', 32_853)).toEqual(response)
    expect(mappedAddress(response, request)).toBe('192.0.2.1:32853')
  })

  it('behaviour: has no word for anything else', () => {
    const reply = Buffer.from(request)
    reply[0] = 1
    const strays = [reply, request.subarray(1), Buffer.alloc(2_000), Buffer.alloc(0)]
    for (const stray of strays) expect(replyTo(stray, '192.0.2.1', 1)).toBeNull()
  })

  it('behaviour: believes no reply to another question, and none that is cut off', () => {
    expect(mappedAddress(response, bindingRequest(Buffer.alloc(12)))).toBeNull()
    for (let size = 0; size < response.length; size++) {
      expect(mappedAddress(response.subarray(0, size), request)).toBeNull()
    }
  })

  it('behaviour: finds the address behind what it does not know', () => {
    const odd = Buffer.from('8022000561626364650000 00'.replaceAll(' ', ''), 'hex')
    const longer = Buffer.concat([response.subarray(0, 20), odd, response.subarray(20)])
    expect(mappedAddress(longer, request)).toBe('192.0.2.1:32853')
  })
})
