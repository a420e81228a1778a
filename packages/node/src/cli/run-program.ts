import { FreeholdError, UsageError } from '@freehold/core/errors'
import { CommanderError } from 'commander'
import { systemError } from '../storage/system-error.ts'
import { printJson, say } from './output.ts'
import { createProgram } from './program.ts'

/** Runs one command. @returns 0 done, 1 failed, 2 asked for wrongly, 130 interrupted */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args)
    await program.parseAsync([...args], { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    return report(error, args.includes('--json'))
  }
}

function report(error: unknown, isJson: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Error && error.name === 'AbortError') return 130
  const said = systemError(error)
  if (said !== null) return report(said, isJson)
  const name = error instanceof Error ? error.name : 'Error'
  const message = error instanceof Error ? error.message : String(error)
  say(`freehold: ${message}`)
  if (isJson) printJson({ error: { name, message } })
  // What nobody foresaw is a defect of ours: show where.
  if (!(error instanceof FreeholdError) && error instanceof Error) say(error.stack ?? '')
  return error instanceof UsageError ? 2 : 1
}
