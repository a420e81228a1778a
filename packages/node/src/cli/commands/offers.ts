import { toHex } from '@freehold/core/bytes'
import type { KnownOffer } from '@freehold/core/device/peers'
import { peerName } from '@freehold/core/identity/peer-name'
import type { Command } from 'commander'
import { type GlobalOptions, openCliDevice, withGlobals } from '../context.ts'
import { print, printJson, safe, say, table } from '../output.ts'

export function offersCommand(command: Command): void {
  command
    .argument('[address...]', 'lenders to ask besides the known ones')
    .action((addresses: string[], options: GlobalOptions) => offers(addresses, options))
  withGlobals(command)
}

async function offers(addresses: string[], options: GlobalOptions): Promise<void> {
  await using device = await openCliDevice({
    listen: [],
    needsKeys: true,
    chain: options.chain,
    models: options.models,
  })
  for (const address of addresses) await device.peers.ask(address)
  const found = await device.peers.offers()
  const rows = await Promise.all(
    found.map(async (known) => ({
      ...describe(known),
      isPayable: known.offer.payment === null || (await device.channels.payable(known)) !== null,
      refusedBecause:
        (await device.tables.standing.get(toHex(known.lender)))?.refusedBecause ?? null,
    })),
  )
  if (options.json) return printJson(rows)
  if (rows.length === 0) say('No lender is known. Ask one with: freehold offers ADDRESS')
  else {
    const headings = ['DEVICE', 'MODEL', 'PER MILLION', 'RUNG', 'PAYABLE', 'NOTE']
    const lines = rows.flatMap((row) =>
      row.models.map((model) => [
        row.device,
        safe(model.name),
        row.prices === null ? 'free' : `${row.prices.prompt} + ${row.prices.output}`,
        row.rung,
        row.isPayable ? 'yes' : 'no',
        row.refusedBecause ? `not asked again: ${row.refusedBecause}` : '',
      ]),
    )
    print(table(headings, lines))
  }
}

function describe({ lender, offer, rung, address }: KnownOffer) {
  return {
    device: peerName(lender),
    key: toHex(lender),
    address,
    rung,
    models: offer.models.map(({ name, modelId, contextTokens, profile }) => ({
      name,
      modelId: toHex(modelId),
      contextTokens,
      profile,
    })),
    prices: offer.payment?.prices ?? null,
    expiresAtMs: offer.expiresAtMs,
  }
}
