import { lendTerms } from '../cli/commands/lend.ts'
import { interruptSignal } from '../cli/context.ts'
import { printJson } from '../cli/output.ts'
import { parseChain, pathsOf, readEnvironment } from '../config.ts'
import { openDevice } from '../device/open-device.ts'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { readVaultFile } from '../storage/vault-file.ts'
import { otherModelEngine, ownDiceEngine } from './cheats.ts'
import { seededDice } from './dice.ts'

/**
 * A process that lends dishonestly, for the demo:
 * `cheat-lender.ts KIND MODEL CHAIN TERMS-JSON [SERVED-FILE]`.
 */
async function main([kind, model, chainText, terms, served]: string[]): Promise<void> {
  const signal = interruptSignal()
  const environment = readEnvironment()
  const paths = pathsOf(environment)
  const chain = parseChain(chainText ?? '')
  const honest = createLlamaEngine()
  const engine =
    kind === 'seed-ignored'
      ? ownDiceEngine(honest, seededDice(model ?? ''))
      : otherModelEngine(honest, served ?? '')
  await using device = await openDevice({
    paths,
    phrase: await readVaultFile(paths.vault, environment.passphrase ?? ''),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    chain,
    engine,
  })
  await using lending = await device.lending.start({
    models: [model ?? ''],
    payment: lendTerms(JSON.parse(terms ?? '{}'), chain),
  })
  printJson({ event: 'lending', device: '', addresses: lending.addresses() })
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve)
    // Keeps the process alive although nothing else may be pending.
    const alive = setInterval(() => {}, 60_000)
    signal.addEventListener('abort', () => clearInterval(alive))
  })
}

await main(process.argv.slice(2))
process.exit(0)
