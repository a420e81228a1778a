import { fromHex } from '@freehold/core/bytes'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { Device } from '@freehold/core/device/device'
import { channelTotals, spentByDay } from '@freehold/core/device/ledger'
import { peerName } from '@freehold/core/identity/peer-name'
import type { Scope } from '@freehold/core/wire/frames'
import { decodeOffer } from '@freehold/core/wire/offer'
import type { Paths } from '../config.ts'
import type { Dashboard } from '../http/freehold/dashboard.ts'
import { openLendSwitch } from '../power/lend-switch.ts'
import { VERSION } from '../version.ts'
import type { GlobalOptions } from './context.ts'
import { effectiveSettings } from './effective-settings.ts'
import { examine } from './examine.ts'
import { plain } from './output.ts'

/** Days of the ledger that are shown. */
const DAYS = 90

/** What the commands `doctor`, `ledger`, `offers` and `config show` say, for a page of the device. */
export function createDashboard(
  { paths, scope, options }: { paths: Paths; scope: Scope; options: GlobalOptions },
  device: Device,
): Dashboard {
  const lendSwitch = openLendSwitch(paths)
  return {
    overview: async () =>
      asJson({
        version: VERSION,
        device: device.identity ? peerName(device.identity.device) : null,
        account: device.identity?.wallet.address ?? null,
        scope,
        lending: { isOn: !lendSwitch.isOff(), running: await lendSwitch.running() },
        peers: await peersOf(device),
        ledger: await ledgerOf(device),
      }),
    doctor: async ({ signal }) => asJson(await examine(options, { signal })),
    settings: async () => asJson(await effectiveSettings(options)),
    setLending: (isOn) => lendSwitch.set(isOn),
  }
}

/** Whom this device knows; nobody is asked. */
async function peersOf({ tables, peers }: Device) {
  const rows = (await tables.peers.list()).map(([, row]) => row)
  return Promise.all(
    rows.map(async ({ device, offer, seenAtMs }) => {
      const known = offer && decodeOffer(offer)
      return {
        device: peerName(fromHex(device)),
        rung: await peers.rung(device),
        models: known?.models.map(({ name }) => name) ?? [],
        isPaid: known !== null && known.payment !== null,
        seenAtMs,
      }
    }),
  )
}

async function ledgerOf({ tables }: Device) {
  const [answers, transactions, channels, lent] = await Promise.all([
    rowsOf(tables.answers),
    rowsOf(tables.transactions),
    rowsOf(tables.channels),
    rowsOf(tables.lent),
  ])
  const of = (role: ChannelRecord['role']) => channels.filter((record) => record.role === role)
  const days = [...spentByDay(answers, transactions, channels)].slice(-DAYS)
  return {
    pays: channelTotals(of('payer')),
    earns: channelTotals(of('payee')),
    lent: { answers: lent.length, tokens: lent.reduce((sum, { tokens }) => sum + tokens, 0) },
    days: days.map(([day, spent]) => ({ day, ...spent })),
  }
}

async function rowsOf<Row>(table: { list(): Promise<[string, Row][]> }): Promise<Row[]> {
  return (await table.list()).map(([, row]) => row)
}

function asJson(value: unknown): object {
  return JSON.parse(JSON.stringify(value, plain)) as object
}
