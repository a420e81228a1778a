import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { confirm, isCancel } from '@clack/prompts'
import { FreeholdError } from '@freehold/core/errors'
import type { Paths } from '../config.ts'
import { catalogueSize } from '../models/catalogue.ts'
import { sizeText } from '../models/size-text.ts'
import { changeSettings } from './change-settings.ts'
import { chooseOffer } from './choose-offer.ts'
import { openCliLibrary } from './cli-library.ts'
import { pullModel } from './commands/pull.ts'
import type { ModelOptions } from './context.ts'
import { safe, say } from './output.ts'

/** Where it is remembered that somebody was asked. */
export function offeredPath({ state }: Pick<Paths, 'state'>): string {
  return join(state, 'offered')
}

/**
 * Offers, once in the life of a home, the model that fits this device best. Asks the person and not
 * the network: nothing is fetched without a yes.
 * @returns the name of the model that was fetched, the default one from then on; null: the bundled one answers
 * @throws AbortError when the person interrupts
 */
export async function offerOnce(
  paths: Paths,
  options: ModelOptions,
  signal: AbortSignal,
): Promise<string | null> {
  if (await isThere(offeredPath(paths))) return null
  // Who has models already knows how to get them.
  const own = (await openCliLibrary(options).list()).filter(({ origin }) => origin !== 'bundled')
  if (own.length > 0) return null
  const { best } = await chooseOffer(paths.catalogue)
  if (best === null || best.quantisation === null) return null
  const size = sizeText(catalogueSize(best, best.quantisation))
  say('Acorn, which comes with Freehold, is small and answers simple questions alone.')
  say(`${safe(best.title)} (${safe(best.licence)}, about ${size}) fits this device.`)
  const wanted = await confirm({
    message: 'Fetch it from the hub now?',
    initialValue: false,
    output: process.stderr,
  })
  if (isCancel(wanted)) throw new DOMException('interrupted', 'AbortError')
  await remember(offeredPath(paths))
  const name = `${best.source}:${best.quantisation}`
  if (!wanted) {
    say(`Later: freehold pull ${safe(name)}. freehold models lists others.`)
    return null
  }
  try {
    const pulled = await pullModel(name, options, signal)
    await makeDefault(paths, pulled)
    return pulled
  } catch (error) {
    if (!(error instanceof FreeholdError) || signal.aborted) throw error
    say(error.message)
    say(`Acorn is here and answers. Try again later: freehold pull ${safe(name)}`)
    return null
  }
}

/** Settings that cannot be written cost the next run a name, and this one nothing. */
async function makeDefault({ config }: Paths, model: string): Promise<void> {
  try {
    await changeSettings(config, (old) => ({ ...old, model }))
    say(`freehold run asks it from now on where you name no model: "model" in ${config}`)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    say(`It could not be made the default model: ${why}`)
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** A home that cannot be written is asked again. */
async function remember(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch(() => {})
  await writeFile(path, '').catch(() => {})
}
