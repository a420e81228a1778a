import { UsageError } from '@freehold/core/errors'

/** What a chat can be told on the way. */
export interface ChatSettings {
  model: string
  system: string | null
  temperature: number
  maxTokens: number | undefined
  seed: string | undefined
  isVerbose: boolean
}

const PARAMETERS = 'temperature, max_tokens and seed'

/**
 * `/set WHAT …`.
 * @param rest all that was typed behind it
 * @throws UsageError for what cannot be set so
 */
export function setSetting(
  settings: ChatSettings,
  what: string,
  rest: string,
  [name = '', value = '']: readonly string[],
): void {
  if (what === 'system') settings.system = rest === '' ? null : rest
  else if (what === 'verbose' || what === 'quiet') settings.isVerbose = what === 'verbose'
  else if (what === 'parameter') setParameter(settings, name, value)
  else throw new UsageError({ what: `${what || 'nothing'} cannot be set`, next: 'See /?' })
}

function setParameter(settings: ChatSettings, name: string, value: string): void {
  if (name === 'temperature') settings.temperature = number(name, value, 0, 2)
  else if (name === 'max_tokens' || name === 'num_predict') {
    settings.maxTokens = Math.floor(number(name, value, 1, 16_384))
  } else if (name === 'seed') settings.seed = value === '' ? undefined : value
  else {
    throw new UsageError({ what: `${name || 'nothing'} is no parameter`, why: `${PARAMETERS} are` })
  }
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text !== '' && value >= least && value <= most) return value
  throw new UsageError({ what: `${name} is a number from ${least} to ${most}` })
}

/** `/show WHAT`. @throws UsageError for what is not known */
export function showSettings(settings: ChatSettings, what: string): string {
  if (what === 'system') return settings.system ?? 'No system message.'
  if (what === 'parameters') {
    const { temperature, maxTokens, seed } = settings
    return `temperature ${temperature}\nmax_tokens  ${maxTokens ?? 'as many as fit, at most 512'}\nseed        ${seed ?? 'random'}`
  }
  throw new UsageError({ what: `${what || 'nothing'} cannot be shown`, next: 'See /?' })
}
