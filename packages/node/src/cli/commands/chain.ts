import { UsageError } from '@freehold/core/errors'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { Command } from 'commander'
import type { Address } from 'viem'
import { pathsOf, readEnvironment, readSettings } from '../../config.ts'
import { readVaultFile } from '../../storage/vault-file.ts'
import { askPassphrase, interruptSignal } from '../context.ts'
import { print, printJson, say } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

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
      .option('--rpc <url>', 'node of the chain, instead of the settings’')
      .option('--token <address>', 'what it clears in, instead of the settings’ token', address)
      .option('--chain-id <id>', 'refuse if the node is on another chain', wholeNumber)
      .option('--dry-run', 'say where it would be and what it would cost; needs no keys')
      .option('--json', 'print machine-readable data on stdout')
      .action(deploy),
  )
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
