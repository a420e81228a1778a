import type { Command } from 'commander'
import { type GlobalOptions, withGlobals } from '../context.ts'
import { counted } from '../format.ts'
import { print, printJson, table } from '../output.ts'
import type { LoadedModel } from '../resident-client.ts'

export function psCommand(command: Command): void {
  command.action(async (options: GlobalOptions) => {
    const { connectToResident, loadedModels } = await import('../resident-client.ts')
    const models = await loadedModels(await connectToResident())
    if (options.json) printJson(models)
    else print(table(HEADINGS, models.map(rowOf)))
  })
  withGlobals(command)
}

const HEADINGS = ['NAME', 'ID', 'SIZE', 'PROCESSOR', 'CONTEXT', 'RUNNING', 'WAITING', 'UNTIL']

function rowOf(model: LoadedModel): string[] {
  return [
    model.name,
    model.digest.slice(0, 12),
    sizeText(model.size),
    model.processor,
    String(model.context_length),
    String(model.running),
    String(model.waiting),
    untilText(model, Date.now()),
  ]
}

function sizeText(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`
}

/** When a model leaves, as a person would say it. */
export function untilText(
  { state, running, waiting, expires_at }: Omit<LoadedModel, 'name' | 'digest'>,
  nowMs: number,
): string {
  if (state !== 'ready') return state === 'stopping' ? 'Stopping...' : 'Loading...'
  if (running + waiting > 0) return 'In use'
  if (expires_at.startsWith('9999')) return 'Never'
  const seconds = Math.max(0, Math.round((Date.parse(expires_at) - nowMs) / 1_000))
  if (seconds < 60) return `${counted(seconds, 'second')} from now`
  const minutes = Math.round(seconds / 60)
  return minutes === 1 ? 'About a minute from now' : `${minutes} minutes from now`
}
