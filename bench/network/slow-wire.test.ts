import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { startSlowWire } from './slow-wire.ts'

it('default: what goes in comes out in order, not before its time, and ends', async () => {
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  await using wire = await startSlowWire((echo.address() as AddressInfo).port, 30)
  const socket = connect(wire.port, '127.0.0.1')
  await once(socket, 'connect')
  const startedMs = performance.now()
  let [heard, firstMs] = ['', 0]
  socket.setEncoding('utf8').on('data', (text) => {
    firstMs ||= performance.now() - startedMs
    heard += text
  })
  const said = Array.from({ length: 200 }, (_, i) => `${i},`)
  for (const word of said) socket.write(word)
  socket.end()
  await once(socket, 'end')
  expect(heard).toBe(said.join(''))
  // Timers may be a millisecond early.
  expect(firstMs).toBeGreaterThanOrEqual(58)
  echo.close()
})
