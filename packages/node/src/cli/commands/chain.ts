import { readFile } from 'node:fs/promises'
import { setInterval } from 'node:timers/promises'
import type { WatchedVoucher } from '@freehold/core/clearing/watch'
import { UsageError } from '@freehold/core/errors'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { systemClock } from '@freehold/core/platform'
import { Command } from 'commander'
import type { Address, Hex } from 'viem'
import { z } from 'zod'
import { pathsOf, readEnvironment, readSettings } from '../../config.ts'
import { readVaultFile } from '../../storage/vault-file.ts'
import {
  askPassphrase,
  type GlobalOptions,
  interruptSignal,
  openCliDevice,
  withGlobals,
} from '../context.ts'
import { finiteDuration } from '../duration-option.ts'
import { counted } from '../format.ts'
import { print, printJson, say } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

const WATCH_MS = 60_000

interface DeployOptions {
  rpc?: string
  token?: Address
  chainId?: number
  dryRun?: boolean
  json?: boolean
}

export function chainCommand(command: Command): void {
  command.addCommand(
    new Command('deploy')
      .description('deploy the ClearingHouse of a token, or find it; nobody owns it afterwards')
      .option('--rpc <url>', 'node of the chain, instead of the settings’', nodeUrl)
      .option('--token <address>', 'what it clears in, instead of the settings’ token', address)
      .option('--chain-id <id>', 'refuse if the node is on another chain', wholeNumber)
      .option('--dry-run', 'say where it would be and what it would cost; needs no keys')
      .option('--json', 'print machine-readable data on stdout')
      .action(deploy),
  )
  command.addCommand(
    withGlobals(
      new Command('watch')
        .description(
          'settle another’s vouchers when somebody leaves its channel; this device pays the gas',
        )
        .argument('<file>', 'what `freehold wallet vouchers` printed there')
        .option('--once', 'look once, instead of every minute')
        .option(
          '--max-age <time>',
          'settle also what is owed for so long, such as 6h',
          finiteDuration,
        )
        .action(watch),
    ),
  )
}

interface WatchOptions extends GlobalOptions {
  once?: boolean
  maxAge?: number
}

async function watch(file: string, options: WatchOptions): Promise<void> {
  const { settleWatched } = await import('@freehold/core/clearing/watch')
  let watched = await readVouchers(file)
  const signal = interruptSignal()
  await using device = await openCliDevice({ listen: null, needsKeys: true, chain: options.chain })
  const chain = device.chain
  if (chain === null)
    throw new UsageError({ what: 'watching needs a chain', next: 'Name it with --chain' })
  const look = async () => {
    const parts = { chain, clock: systemClock }
    const done = await settleWatched(watched, parts, { maxAgeMs: options.maxAge })
    // The same voucher will not be taken the next time either, and each try costs gas.
    watched = watched.filter(({ id }) => !done?.skipped.includes(id))
    if (options.json) printJson(done)
    else if (done !== null) say(`Settled ${counted(done.vouchers, 'voucher')} in ${done.hash}`)
    else if (options.once)
      say('Nobody leaves a channel with something to settle, and nothing is old')
  }
  // Awaited: else the device would be closed under it.
  if (options.once) return await look()
  try {
    await look()
    for await (const _ of setInterval(WATCH_MS, null, { signal })) {
      await look().catch((error) => say(`The chain cannot be seen: ${error}`))
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** @throws UsageError when it holds no vouchers */
async function readVouchers(file: string): Promise<WatchedVoucher[]> {
  const next = 'freehold wallet vouchers prints them'
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new UsageError({ what: `${file} cannot be read`, why: codeOf(cause), next })
  })
  const read = watchedFile.safeParse(parseJson(text))
  if (read.success) return read.data.vouchers
  const [{ path, message } = { path: [], message: '' }] = read.error.issues
  const where = path.length > 0 ? `${path.join('.')}: ` : ''
  throw new UsageError({ what: `${file} holds no vouchers`, why: where + message, next })
}

const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`))
    .transform((text) => text as Hex)

const watchedFile = z.object({
  vouchers: z.array(
    z.object({
      id: hex(32),
      config: z.object({
        ...{ payer: hex(20), signer: hex(20), payee: hex(20), salt: hex(32) },
        ...{ delay: z.int().nonnegative(), flags: z.int().nonnegative() },
      }),
      cumulative: z
        .string()
        .regex(/^\d{1,39}$/)
        .transform(BigInt),
      owedSinceMs: z.int(),
      signature: hex(65),
    }),
  ),
})

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? error)
}

function nodeUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new UsageError({ what: `"${text}" is no URL`, next: 'It begins with http:// or https://' })
}

function address(text: string): Address {
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return text as Address
  throw new UsageError({ what: `"${text}" is no address` })
}

async function deploy(options: DeployOptions): Promise<void> {
  const environment = readEnvironment()
  const paths = pathsOf(environment)
  const { chain } = await readSettings(paths.config)
  const rpc = options.rpc ?? [chain?.rpc ?? []].flat()[0]
  const token = options.token ?? chain?.token
  if (rpc === undefined || token === undefined) {
    throw new UsageError({
      what: 'the chain and the token must be known',
      next: 'Give --rpc URL and --token ADDRESS',
    })
  }
  // The settings' chain id speaks for the settings' node, not for one that was typed.
  const chainId = options.chainId ?? (options.rpc === undefined ? chain?.chainId : undefined)
  const { deployHouse } = await import('../../chain/deploy-house.ts')
  const init = { rpc, token, chainId }
  const signal = interruptSignal()
  let found = await deployHouse(init, { signal })
  const isSending = !found.isDeployed && !options.dryRun
  if (isSending) {
    const passphrase = await askPassphrase(environment.passphrase)
    const identity = await deriveIdentity(await readVaultFile(paths.vault, passphrase), 0)
    // What was found before is what is meant now, even if the node changes its mind.
    const meant = { ...init, chainId: found.chainId }
    found = await deployHouse(meant, { account: identity.wallet, signal })
  }
  const settings = `${rpc},${found.chainId},${found.house},${found.token}`
  if (options.json) return printJson({ ...found, chain: settings })
  const { formatEther } = await import('viem')
  const cost = `${found.gas} gas, ${formatEther(found.feeWei)} of the native coin`
  if (isSending) say(`Deployed in ${found.transaction}: ${cost}`)
  else say(found.isDeployed ? 'It is there already' : `It would cost up to ${cost}`)
  print(`chain  ${found.chainId}\nhouse  ${found.house}\ntoken  ${found.token}`)
  if (found.isDeployed) say(`Use it with: --chain ${settings}`)
}
