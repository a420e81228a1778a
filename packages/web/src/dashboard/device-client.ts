import { FreeholdError } from '@freehold/core/errors'
import type { Rung } from '@freehold/core/routing/route'

/** What the device that serves this page says of itself; amounts are digits of token units. */
export interface DeviceOverview {
  version: string
  /** Peer id; null: it has no keys, or is not to reach anybody. */
  device: string | null
  account: string | null
  scope: string
  lending: { isOn: boolean; running: LendingProcess[] }
  peers: { device: string; rung: Rung; models: string[]; isPaid: boolean; seenAtMs: number }[]
  ledger: {
    pays: Totals
    earns: Totals
    lent: { answers: number; tokens: number }
    days: { day: string; tokens: number; priceUnits: string; settledIn: string; setOffIn: string }[]
  }
}

interface LendingProcess {
  pid: number
  models: string[]
  addresses: string[]
  why: string | null
}

type Totals = Readonly<Record<'due' | 'answers' | 'held' | 'lost' | 'settled' | 'setOff', string>>

export interface DeviceModel {
  name: string
  size: number
  /** How it stands in memory; null: it is not there. */
  loaded: { state: string; running: number; waiting: number; processor: string } | null
}

export interface Doctor {
  central: { name: string; inUse: string[]; setting: string; without: string }[]
  checks: { name: string; status: 'ok' | 'failed' | 'not checked'; says: string }[]
}

export interface DeviceSetting {
  name: string
  value: unknown
  origin: string
}

/** The device asks for its token: settings or FREEHOLD_API_TOKEN. */
export class TokenError extends FreeholdError {}

const TOKEN = 'freehold-token'

/** Whether a device serves this page, and not a host of files. */
export function isServedByDevice(): boolean {
  return document.querySelector('meta[name=freehold-device]') !== null
}

/** Keeps the token until this tab is closed. */
export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN, token)
}

/** Asks the device that serves this page. @throws TokenError, FreeholdError in the device's words */
async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN)
  const headers = {
    'content-type': 'application/json',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  }
  const response = await fetch(path, { ...init, headers })
  if (response.ok) return response
  const text = await response.text()
  const what = messageOf(text) || `${response.status} ${response.statusText}`
  throw response.status === 401 ? new TokenError({ what }) : new FreeholdError({ what })
}

/** Errors of the OpenAI-like part have an object, those of the Ollama-like part a text. */
function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: string | { message?: string } }
    return (typeof error === 'string' ? error : error?.message) ?? ''
  } catch {
    return text.slice(0, 200)
  }
}

const get = async <Said>(path: string) => (await ask(path)).json() as Promise<Said>

export const readOverview = () => get<DeviceOverview>('freehold/device')
export const readDoctor = () => get<Doctor>('freehold/doctor')
export const readSettings = () => get<DeviceSetting[]>('freehold/settings')

export async function setLending(isOn: boolean): Promise<void> {
  await ask('freehold/lending', { method: 'POST', body: JSON.stringify({ isOn }) })
}

export async function readModels(): Promise<DeviceModel[]> {
  interface Row {
    name: string
    size: number
  }
  const [{ models }, loaded] = await Promise.all([
    get<{ models: Row[] }>('api/tags'),
    get<{ models: (Row & NonNullable<DeviceModel['loaded']>)[] }>('api/ps'),
  ])
  return models.map(({ name, size }) => ({
    ...{ name, size },
    loaded: loaded.models.find((one) => one.name === name) ?? null,
  }))
}

export async function removeModel(name: string): Promise<void> {
  await ask('api/delete', { method: 'DELETE', body: JSON.stringify({ model: name }) })
}

/** Has the device download a model. @param onStep called with what it does and how far it is, 0 to 1 */
export async function pullModel(
  name: string,
  onStep: (status: string, done: number | null) => void,
): Promise<void> {
  const { body } = await ask('api/pull', { method: 'POST', body: JSON.stringify({ model: name }) })
  let rest = ''
  for await (const part of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { status, total, completed, error } = JSON.parse(line) as {
        status?: string
        total?: number
        completed?: number
        error?: string
      }
      if (error !== undefined) throw new FreeholdError({ what: error })
      onStep(status ?? '', total ? (completed ?? 0) / total : null)
    }
  }
}
