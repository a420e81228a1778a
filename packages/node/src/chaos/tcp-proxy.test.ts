import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { startTcpProxy } from './tcp-proxy.ts'

it('default: a wire that is cut says nothing, and one that is mended is a new one', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using proxy = await startTcpProxy((server.address() as AddressInfo).port)
  const socket = connect(proxy.port, '127.0.0.1').on('error', () => {})
  socket.write('one')
  expect(String((await once(socket, 'data'))[0])).toBe('one')
  proxy.cut()
  const ended = once(socket, 'close')
  const heard: unknown[] = []
  socket.on('data', (data) => heard.push(data))
  socket.write('two')
  const dialled = connect(proxy.port, '127.0.0.1').on('error', () => {})
  await once(dialled, 'connect')
  proxy.mend()
  await ended
  expect(heard).toEqual([])
  const again = connect(proxy.port, '127.0.0.1').on('error', () => {})
  again.write('three')
  expect(String((await once(again, 'data'))[0])).toBe('three')
  again.destroy()
  server.close()
})
