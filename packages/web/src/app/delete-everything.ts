import type { App } from './app-state.ts'

/** Forgets all that this app ever kept on this device, and begins anew. */
export async function deleteEverything(app: App): Promise<void> {
  await app.conversation.handOver()
  // A file that is being written cannot be removed.
  for (const { url } of app.downloads.all.value) await app.downloads.cancel(url)
  const root = await navigator.storage.getDirectory()
  for await (const [name] of root) await root.removeEntry(name, { recursive: true })
  for (const { name = '' } of await indexedDB.databases()) indexedDB.deleteDatabase(name)
  for (const name of await caches.keys()) await caches.delete(name)
  for (const worker of await navigator.serviceWorker.getRegistrations()) await worker.unregister()
  localStorage.clear()
  location.replace('./')
}
