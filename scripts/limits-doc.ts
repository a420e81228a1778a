import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { AUDITS } from '../packages/core/src/device/audit-desk.ts'
import {
  HEADER_RATE,
  HEADER_STREAMS,
  MAX_HEADER_REQUESTS,
} from '../packages/core/src/device/header-desk.ts'
import {
  CHANNEL_REQUESTS,
  LENDING_DEFAULTS,
  MAX_REQUEST_BYTES,
  OFFERS_ASKED,
} from '../packages/core/src/device/lending.ts'
import { MAX_PEERS } from '../packages/core/src/device/peers.ts'
import {
  FREE_ORDERS,
  OPENINGS,
  PAID_ORDERS,
  type RelayLimits,
} from '../packages/core/src/device/relay-limit.ts'
import {
  DEFAULT_SEED_PER_DAY,
  DEFAULT_SEED_RATE,
  WEIGHTS_REQUESTS,
  WEIGHTS_STREAMS,
} from '../packages/core/src/device/seed-limits.ts'
import { MAX_SEEDERS } from '../packages/core/src/device/seeders.ts'
import { SET_OFFS_ASKED, SET_OFFS_SUBMITTED } from '../packages/core/src/device/set-off-desk.ts'
import { CHUNKS_AHEAD } from '../packages/core/src/device/weights-fetch.ts'
import { DEFAULT_DEADLINES } from '../packages/core/src/lending/deadlines.ts'
import { MESH_LIMITS, STREAM_WINDOW_BYTES } from '../packages/core/src/mesh/mesh-limits.ts'
import {
  CARRY_LIMITS,
  MAX_HOP_STREAMS,
  RELAYED_PER_MINUTE,
  RELAYED_PER_MINUTE_IN_ALL,
} from '../packages/core/src/mesh/relay-limits.ts'
import {
  MAX_AUDIT_REPLY_BYTES,
  MAX_AUDIT_REQUEST_BYTES,
} from '../packages/core/src/wire/audit-messages.ts'
import {
  MAX_HEADER_REPLY_BYTES,
  MAX_HEADER_REQUEST_BYTES,
} from '../packages/core/src/wire/header-messages.ts'
import * as wire from '../packages/core/src/wire/limits.ts'
import { CHUNK_BYTES } from '../packages/core/src/wire/manifest.ts'
import { MAX_RELAY_BYTES } from '../packages/core/src/wire/relay-messages.ts'
import { MAX_SET_OFF_BYTES } from '../packages/core/src/wire/set-off-messages.ts'
import {
  MAX_WEIGHTS_REPLY_BYTES,
  MAX_WEIGHTS_REQUEST_BYTES,
} from '../packages/core/src/wire/weights-messages.ts'

/** `node scripts/limits-doc.ts --write | --check`: docs/limits.md from the constants that are enforced. */
const PAGE = fileURLToPath(new URL('../docs/limits.md', import.meta.url))

type Row = readonly [what: string, one: string, inAll: string]

interface Window {
  windowMs: number
  perDevice: number
  inAll: number
}

interface Places {
  running: number
  perDevice?: number
  waiting: number
}

const page = render()
if (process.argv.includes('--write')) await writeFile(PAGE, page)
else if ((await readFile(PAGE, 'utf8').catch(() => '')) !== page) {
  console.log(
    'docs/limits.md is not what the constants say: run node scripts/limits-doc.ts --write',
  )
  process.exitCode = 1
}

function render(): string {
  const mesh = MESH_LIMITS
  const unread = mesh.streamsInAll * STREAM_WINDOW_BYTES
  return `# Limits

Made by \`node scripts/limits-doc.ts --write\` from the constants that are enforced; do not edit. What is beyond a limit is refused with a word
where there is still somebody to say it to, else the stream or the connection ends. \`packages/node/src/device/floods.test.ts\` floods a device in
each way while its owner asks it.

Device keys cost nothing. So each limit for one device stands beside one for all, and what all share is left to those who have least of it.
A network address is one IPv4 address or a network of 64 bits of IPv6.

## Connections

${table([
  ['connections', count(mesh.connectionsPerDevice), count(mesh.connections)],
  [
    'connections from one network address, but this machine’s own',
    count(mesh.connectionsPerHost),
    '',
  ],
  [
    'handshakes that are not done, from one network address',
    count(mesh.pendingPerHost),
    count(mesh.pending),
  ],
  ['how long a handshake may take', time(mesh.handshakeMs), ''],
  ['new connections within a second from one network address', count(mesh.newPerSecond), ''],
])}
## Streams

${table([
  ['streams of one protocol on one connection', count(mesh.streams), ''],
  [
    'streams on one connection, without a protocol yet or with one',
    count(mesh.streamsPerConnection),
    '',
  ],
  ['streams that are served', count(mesh.streamsPerDevice), count(mesh.streamsInAll)],
  ['unread bytes', `${size(STREAM_WINDOW_BYTES)} a stream`, size(unread)],
])}
## Messages

${table(
  [
    ['frame of an answer', size(wire.MAX_FRAME_BYTES), ''],
    ['offer', size(wire.MAX_OFFER_BYTES), ''],
    ['request on a channel', size(MAX_REQUEST_BYTES), ''],
    [
      'request for a header; its reply',
      size(MAX_HEADER_REQUEST_BYTES),
      size(MAX_HEADER_REPLY_BYTES),
    ],
    [
      'request for weights; its reply',
      size(MAX_WEIGHTS_REQUEST_BYTES),
      size(MAX_WEIGHTS_REPLY_BYTES),
    ],
    ['request for an audit; its reply', size(MAX_AUDIT_REQUEST_BYTES), size(MAX_AUDIT_REPLY_BYTES)],
    ['set-off', size(MAX_SET_OFF_BYTES), ''],
    ['order to relay', size(MAX_RELAY_BYTES), ''],
  ],
  ['what', 'most', 'reply'],
)}
## In messages

${table(
  [
    ['tokens of a prompt', count(wire.MAX_PROMPT_TOKENS), ''],
    ['tokens of an answer', count(wire.MAX_ANSWER_TOKENS), ''],
    ['tokens in a frame', count(wire.MAX_TOKENS_PER_FRAME), ''],
    ['tokens between two signatures', count(wire.MAX_CHUNK_TOKENS), ''],
    ['ids that end an answer', count(wire.MAX_STOP_IDS), ''],
    ['entries of a vocabulary', count(wire.MAX_VOCABULARY), ''],
    [
      'models, and addresses, in an offer',
      `${wire.MAX_OFFER_MODELS}, ${wire.MAX_OFFER_ADDRESSES}`,
      '',
    ],
    ['life of an offer', time(wire.MAX_OFFER_MS), ''],
    ['size of a model', size(wire.MAX_MODEL_CHUNKS * CHUNK_BYTES), ''],
    ['size of a header', size(wire.MAX_HEADER_CHUNKS * CHUNK_BYTES), ''],
  ],
  ['what', 'most', ''],
)}
## Rates and places

${table([
  ['requests for the offer', rate(OFFERS_ASKED), rateInAll(OFFERS_ASKED)],
  ['requests on channels', rate(CHANNEL_REQUESTS), rateInAll(CHANNEL_REQUESTS)],
  [
    'answers at once',
    '',
    places({ running: LENDING_DEFAULTS.parallel, waiting: LENDING_DEFAULTS.maxQueue }),
  ],
  ['headers: streams', count(HEADER_STREAMS.perDevice), places(HEADER_STREAMS)],
  ['headers: requests on one stream', count(MAX_HEADER_REQUESTS), ''],
  ['headers: bytes', rate(HEADER_RATE, size), rateInAll(HEADER_RATE, size)],
  ['weights: streams', count(WEIGHTS_STREAMS.perDevice), places(WEIGHTS_STREAMS)],
  ['weights: requests', rate(WEIGHTS_REQUESTS), rateInAll(WEIGHTS_REQUESTS)],
  [
    'weights: bytes',
    'twice what is seeded, a day',
    `${size(DEFAULT_SEED_RATE)}/s, ${size(DEFAULT_SEED_PER_DAY)} a day`,
  ],
  ['audits for own devices', '', places(AUDITS)],
  ['set-offs: requests', rate(SET_OFFS_ASKED), rateInAll(SET_OFFS_ASKED)],
  ['set-offs: submissions', rate(SET_OFFS_SUBMITTED), rateInAll(SET_OFFS_SUBMITTED)],
  ['openings that are submitted', ...relay(OPENINGS)],
  ['orders that are relayed for a fee', ...relay(PAID_ORDERS)],
  ['exits that are relayed for nothing', ...relay(FREE_ORDERS)],
])}
## As a relay

${table([
  ['places, each a connection that is kept', '1', count(CARRY_LIMITS.reservations)],
  [
    'connections through it, asked for',
    `${RELAYED_PER_MINUTE} a minute`,
    `${RELAYED_PER_MINUTE_IN_ALL} a minute`,
  ],
  ['connections through it that are being made, of one connection', count(MAX_HOP_STREAMS), ''],
  ['bytes of a connection through it, both ways', size(Number(CARRY_LIMITS.relayedBytes)), ''],
  ['how long one lasts', time(CARRY_LIMITS.relayedMs), ''],
])}
## What this device asks of others

${table([
  ['devices in the peer book', '', count(MAX_PEERS)],
  ['seeders that are asked for one model', '', count(MAX_SEEDERS)],
  [
    'chunks of weights that are asked ahead',
    count(CHUNKS_AHEAD),
    count(CHUNKS_AHEAD * MAX_SEEDERS),
  ],
])}
## Deadlines

${table(
  Object.entries(DEFAULT_DEADLINES).map(([name, ms]) => [`\`${name}\``, time(ms), '']),
  ['what', 'default', ''],
)}`
}

function table(rows: readonly Row[], headings: Row = ['what', 'one device', 'all']): string {
  const columns = rows.some(([, , last]) => last !== '') ? 3 : 2
  const all = [headings, ...rows].map((row) => row.slice(0, columns))
  const widths = headings
    .slice(0, columns)
    .map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const [first = [], ...others] = all
  return [
    line(first),
    line(widths.map((width) => '-'.repeat(width))),
    ...others.map(line),
    '',
  ].join('\n')
}

function count(value: number): string {
  return value.toLocaleString('en-GB')
}

function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB']
  let [value, unit] = [bytes, 0]
  for (; value >= 1_024 && unit < units.length - 1; unit++) value /= 1_024
  return `${Number(value.toFixed(1))} ${units[unit]}`
}

function time(ms: number): string {
  if (ms < 1_000) return `${ms} ms`
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`
}

function per(ms: number): string {
  return ms === 60_000 ? 'a minute' : `in ${time(ms)}`
}

function rate({ perDevice, windowMs }: Window, show = count): string {
  return `${show(perDevice)} ${per(windowMs)}`
}

function rateInAll({ inAll, windowMs }: Window, show = count): string {
  return `${show(inAll)} ${per(windowMs)}`
}

function places({ running, waiting }: Places): string {
  return waiting === 0 ? count(running) : `${running}, and ${waiting} that wait`
}

function relay({ perDevice, windowMs, perHour }: RelayLimits): [string, string] {
  return [`${perDevice} ${per(windowMs)}`, `${perHour} an hour`]
}
