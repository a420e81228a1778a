/**
 * Measures what lies between two namespaces: `probe-process.ts echo PORT` sends back what comes; `probe-process.ts ask HOST PORT`
 * sends datagrams and then a stream, and says how long they took and how many were lost.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const DATAGRAMS = 400
const EVERY_MS = 5
const LAST_MS = 1_000
const STREAM_BYTES = 1_000_000

const [verb, ...rest] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))

async function serve(port: number): Promise<void> {
  const socket = createSocket('udp4')
  socket.on('message', (data, from) => socket.send(data, from.port, from.address))
  socket.bind(port)
  const server = createServer((one) => void one.on('data', () => {}).on('end', () => one.end()))
  server.listen(port)
  await Promise.all([once(socket, 'listening'), once(server, 'listening')])
  process.send?.('there')
}

async function ask(host: string, port: number): Promise<void> {
  const socket = createSocket('udp4')
  const sentMs: number[] = []
  const tookMs: number[] = []
  socket.on('message', (data) => {
    tookMs.push(performance.now() - (sentMs[data.readUInt32LE()] ?? 0))
  })
  for (let i = 0; i < DATAGRAMS; i++) {
    const data = Buffer.alloc(32)
    data.writeUInt32LE(i)
    sentMs.push(performance.now())
    socket.send(data, port, host)
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
  await new Promise((resolve) => setTimeout(resolve, LAST_MS))
  socket.close()
  const stream = connect(port, host)
  await once(stream, 'connect')
  const startedMs = performance.now()
  stream.end(Buffer.alloc(STREAM_BYTES))
  await once(stream.resume(), 'end')
  const bytesPerSecond = (1_000 * STREAM_BYTES) / (performance.now() - startedMs)
  tookMs.sort((one, other) => one - other)
  const rttMs = tookMs[Math.floor(tookMs.length / 2)]
  const lost = 1 - tookMs.length / DATAGRAMS
  process.send?.({ rttMs, lost, bytesPerSecond }, () => process.exit(0))
}

if (verb === 'echo') await serve(Number(rest[0]))
else await ask(rest[0] ?? '', Number(rest[1]))
