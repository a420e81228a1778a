import type { Device } from '@freehold/core/device/device'
import type { ChatMessage } from '@freehold/core/device/text'
import type { Scope } from '@freehold/core/wire/frames'
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { type Answerer, type BorrowInit, createAnswerer } from '../answering/answerer.ts'
import { createEngineLease, type EngineLease } from '../answering/engine-lease.ts'
import { type ChatBook, openChatBook } from '../chats/chat-book.ts'
import { type Conversation, createConversation, sentenceOf } from '../chats/conversation.ts'
import type { LendState } from '../member/lend-here.ts'
import { type Member, type MemberDevice, openMember } from '../member/member.ts'
import { type Downloads, openDownloads } from '../models/downloads.ts'
import { type ModelSpace, openModelSpace } from '../models/model-space.ts'
import { type Offline, startOffline } from '../offline/offline.ts'
import { openIndexedDbStorage } from '../storage/indexed-db-storage.ts'
import { preferences } from './preferences.ts'
import { pairLinkSignal, type Route, routeSignal } from './route.ts'

const DATABASE = 'freehold-app'

/** A sentence for the person, with something that they may do about it. */
export interface Notice {
  text: string
  action?: { label: string; run: () => void } | undefined
}

/** Everything that the views show and call. */
export interface App {
  readonly book: ChatBook
  readonly space: ModelSpace
  readonly downloads: Downloads
  readonly conversation: Conversation
  readonly offline: Offline
  readonly route: Signal<Route>
  readonly notice: Signal<Notice | null>
  /** SHA-256 of the model that answers. */
  readonly model: ReadonlySignal<string>
  readonly member: Member
  /** How far the next message may travel. Each page begins with `device`. */
  readonly scope: Signal<Scope>
  /** What waits for the person's word before it leaves; null: nothing does. */
  readonly departure: Signal<Departure | null>
  /** A pairing link by which the app was opened; empty: none waits. */
  readonly pairLink: Signal<string>
  readonly lending: ReadonlySignal<LendState>
}

/** A request that would leave, and what happens when it may. */
export interface Departure {
  messages: readonly ChatMessage[]
  scope: Exclude<Scope, 'device'>
  go: (borrow: BorrowInit | null) => void
}

export async function openApp(): Promise<App> {
  const storage = await openIndexedDbStorage(DATABASE)
  const here = (): MemberDevice => ({ ...answerer, take: () => lease.take() })
  // What it may connect to depends on what it fetches.
  const downloads = await openDownloads(storage, () => space)
  const [book, space, member] = await Promise.all([
    openChatBook(storage),
    openModelSpace(storage),
    openMember(storage, here, () => downloads.origins()),
  ])
  const lending = signal<LendState>({ is: 'off' })
  async function lend(device: Device): Promise<AsyncDisposable | null> {
    const { lend, chain } = member.settings.value
    if (lend === null || member.keyRing.keys() === null) return null
    const isOwnRunning = () => conversation.writing.value !== null
    const onState = (state: LendState) => {
      lending.value = state
    }
    try {
      const { lendHere } = await import('../member/lend-here.ts')
      const lent = { model: model.value, isOwnRunning, onState }
      return await lendHere(device, { lend, chain }, lent)
    } catch (error) {
      onState({ is: 'failed', why: sentenceOf(error) })
      return null
    }
  }
  const answerer: Answerer = createAnswerer({
    models: space.source,
    keyRing: member.keyRing,
    settings: () => member.settings.value,
    lend,
  })
  const lease: EngineLease = createEngineLease({
    isBusy: () => conversation.writing.value !== null || member.isBusy(),
    letGo: async () => {
      await conversation.handOver()
      await answerer.close()
    },
  })
  const model = computed(() => {
    const here = space.models.value
    const chosen = here.find(({ sha256 }) => sha256 === preferences.value.model)
    return (chosen ?? here[0])?.sha256 ?? ''
  })
  const conversation = createConversation({ book, answerer, lease, model })
  void conversation.endLeftOvers()
  const app: App = {
    ...{ book, space, downloads, conversation, model, member },
    offline: startOffline(),
    route: routeSignal(),
    notice: signal(null),
    scope: signal('device'),
    departure: signal(null),
    pairLink: pairLinkSignal(),
    lending,
  }
  // The model that comes with the app is there before anybody asks, so that they may go offline.
  const [bundled] = space.models.value
  if (bundled !== undefined) space.fetch(bundled.sha256).catch(() => {})
  void downloads.go()
  return app
}
