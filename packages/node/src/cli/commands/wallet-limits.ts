import { UNLIMITED } from '@freehold/core/clearing/budget'
import { UsageError } from '@freehold/core/errors'
import { Command } from 'commander'
import { ceilingsOf, type Settings, warmLimitsOf } from '../../config.ts'
import { changeSettings } from '../change-settings.ts'
import { add, cliPaths, type GlobalOptions, openCliDevice } from '../context.ts'
import { print, printJson, say } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

type Limit = number | 'none'

const CEILINGS = ['perRequest', 'perDay', 'perMillion'] as const

interface LimitOptions extends GlobalOptions {
  perRequest?: Limit
  perDay?: Limit
  perMillion?: Limit
  warmTotal?: Limit
  warmPerLender?: Limit
  warmChannels?: number
  warmLender: string[]
}

export function limitsCommand(): Command {
  return new Command('limits')
    .description('show or set what borrowed answers may cost, and what may wait in channels')
    .option('--per-request <units>', 'most for one answer, or none', limit)
    .option('--per-day <units>', 'most for those of any 24 hours, or none', limit)
    .option('--per-million <units>', 'highest price of a million tokens, or none', limit)
    .option('--warm-total <units>', 'open channels by itself, up to so much in all, or none', limit)
    .option('--warm-per-lender <units>', 'most for one lender, or none: a quarter', limit)
    .option('--warm-channels <number>', 'most of such channels', wholeNumber)
    .option('--warm-lender <address>', 'a lender to have one for at once; again for more', add, [])
    .action(limits)
}

function limit(text: string): Limit {
  if (text === 'none') return text
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new UsageError({ what: `"${text}" is no limit`, next: 'Token units, or none' })
}

async function limits(options: LimitOptions): Promise<void> {
  const { config } = cliPaths({})
  const settings = await changeSettings(config, (old) =>
    withWarm(withCeilings(old, options), options),
  )
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const ceilings = ceilingsOf(settings)
  const warm = warmLimitsOf(settings)
  const isSet = ceilings !== null
  const spentInADay = await device.budget.spent()
  const found = { perMillion: null, ...(ceilings ?? UNLIMITED), isSet, spentInADay, warm }
  if (options.json) return printJson(found)
  if (!isSet) say('Nothing is borrowed for money before you say what it may cost')
  print(`One answer: ${found.perRequest ?? 'no limit'}`)
  print(`24 hours:   ${found.perDay ?? 'no limit'}, ${found.spentInADay} spent`)
  print(`A million:  ${found.perMillion ?? 'no limit'}`)
  if (warm === null) return print('Channels:   opened by you alone')
  const { total, perLender, channels, lenders } = warm
  print(`Channels:   up to ${channels}, ${perLender} each lender, ${total} in all`)
  for (const address of lenders) print(`            at once for ${address}`)
}

/** Whoever says none has said something: nobody is asked any more. */
function withCeilings(old: Settings, options: LimitOptions): Settings {
  const changed = CEILINGS.filter((name) => options[name] !== undefined)
  if (changed.length === 0) return old
  const ceilings = { ...old.ceilings }
  for (const name of changed) {
    const value = options[name]
    if (value === undefined || value === 'none') delete ceilings[name]
    else ceilings[name] = value
  }
  return { ...old, ceilings }
}

function withWarm(old: Settings, options: LimitOptions): Settings {
  const { warmTotal, warmPerLender, warmChannels, warmLender } = options
  if (warmTotal === 'none') {
    const { warm: _, ...rest } = old
    return rest
  }
  const isChanged = [warmTotal, warmPerLender, warmChannels].some((one) => one !== undefined)
  if (!isChanged && warmLender.length === 0) return old
  const total = warmTotal ?? old.warm?.total
  if (total === undefined) {
    throw new UsageError({ what: 'channels need a budget first', next: 'Add --warm-total UNITS' })
  }
  const warm = { ...old.warm, total }
  if (warmPerLender === 'none') delete warm.perLender
  else if (warmPerLender !== undefined) warm.perLender = warmPerLender
  if (warmChannels !== undefined) warm.channels = warmChannels
  if (warmLender.length > 0) warm.lenders = [...new Set([...(warm.lenders ?? []), ...warmLender])]
  return { ...old, warm }
}
