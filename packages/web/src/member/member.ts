import type { Device } from '@freehold/core/device/device'
import { FreeholdError } from '@freehold/core/errors'
import type { Storage } from '@freehold/core/storage'
import { type ReadonlySignal, signal } from '@preact/signals'
import { say } from '../words/words.ts'
import { type KeyRing, openKeyRing } from './key-ring.ts'
import { type MemberSettings, NO_SETTINGS } from './member-settings.ts'
import { policyFor, sealPage } from './seal-page.ts'

const ROW = 'member'

/** What makes this device more than one that answers by itself: keys, and what the owner set. */
export interface Member {
  readonly keyRing: KeyRing
  readonly settings: ReadonlySignal<MemberSettings>
  /** Keeps settings for the next time that the device is opened. */
  note(settings: Partial<MemberSettings>): Promise<void>
  /** Keeps settings; the device is opened anew with them. */
  change(settings: Partial<MemberSettings>): Promise<void>
  /** Unlocks, locks, keeps or forgets keys; the device is opened anew. */
  changeKeys(change: (keyRing: KeyRing) => Promise<void>): Promise<void>
  /**
   * Does something with this tab's device.
   * @throws FreeholdError while another tab is writing
   */
  use<T>(work: (device: Device) => Promise<T>): Promise<T>
  /** Loads the page again where it may connect to less than is wanted now. @returns whether it does */
  reseal(): boolean
  /** Whether the device is at work for this tab. */
  isBusy(): boolean
}

/** The device of this tab, as the app has it. */
export interface MemberDevice {
  /** @returns false: another tab is writing */
  take(): Promise<boolean>
  device(): Promise<Device>
  close(): Promise<void>
}

/** Opens what is kept, and seals the page for it. */
export async function openMember(
  storage: Storage,
  here: () => MemberDevice,
  hosts: () => readonly string[],
): Promise<Member> {
  const table = storage.table<MemberSettings>('settings')
  const keyRing = await openKeyRing(storage)
  const settings = signal<MemberSettings>({ ...NO_SETTINGS, ...(await table.get(ROW)) })
  const hasKeys = () => keyRing.state.value !== 'none'
  const policy = () => policyFor(hasKeys(), settings.value, hosts())
  const sealed = policy()
  sealPage(sealed, hasKeys())
  let working = 0

  /** What another policy is for begins with a new page. */
  function reseal(): boolean {
    if (policy() === sealed) return false
    location.reload()
    return true
  }

  async function note(change: Partial<MemberSettings>): Promise<void> {
    const next = { ...settings.value, ...change }
    await table.put(ROW, next)
    settings.value = next
  }

  async function use<T>(work: (device: Device) => Promise<T>): Promise<T> {
    const tab = here()
    if (!(await tab.take())) throw new FreeholdError({ what: say('otherTabBusy') })
    working++
    try {
      return await work(await tab.device())
    } finally {
      working--
    }
  }

  async function reopen(): Promise<void> {
    await here().close()
    if (reseal()) return
    // Whoever lends is there before anything is asked of it.
    const isLending = keyRing.state.value === 'open' && settings.value.lend !== null
    if (isLending) await use(async () => {})
  }

  return {
    keyRing,
    settings,
    note,
    change: async (change) => {
      await note(change)
      await reopen()
    },
    changeKeys: async (change) => {
      await change(keyRing)
      await reopen()
    },
    use,
    reseal,
    isBusy: () => working > 0,
  }
}
