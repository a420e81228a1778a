import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { type Answerer, createAnswerer } from '../answering/answerer.ts'
import { createEngineLease, type EngineLease } from '../answering/engine-lease.ts'
import { type ChatBook, openChatBook } from '../chats/chat-book.ts'
import { type Conversation, createConversation } from '../chats/conversation.ts'
import { type ModelSpace, openModelSpace } from '../models/model-space.ts'
import { type Offline, startOffline } from '../offline/offline.ts'
import { openIndexedDbStorage } from '../storage/indexed-db-storage.ts'
import { preferences } from './preferences.ts'
import { type Route, routeSignal } from './route.ts'

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
  readonly conversation: Conversation
  readonly offline: Offline
  readonly route: Signal<Route>
  readonly notice: Signal<Notice | null>
  /** SHA-256 of the model that answers. */
  readonly model: ReadonlySignal<string>
}

export async function openApp(): Promise<App> {
  const storage = await openIndexedDbStorage(DATABASE)
  const [book, space] = await Promise.all([openChatBook(storage), openModelSpace(storage)])
  const answerer: Answerer = createAnswerer({ models: space.source })
  const lease: EngineLease = createEngineLease({
    isBusy: () => conversation.writing.value !== null,
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
    ...{ book, space, conversation, model },
    offline: startOffline(),
    route: routeSignal(),
    notice: signal(null),
  }
  // The model that comes with the app is there before anybody asks, so that they may go offline.
  const [bundled] = space.models.value
  if (bundled !== undefined) space.fetch(bundled.sha256).catch(() => {})
  return app
}
