import { type ReadonlySignal, signal } from '@preact/signals'

/** The app's place on this device: kept for offline use, renewed when the person says so. */
export interface Offline {
  /** Whether it opens without a network now. */
  readonly isReady: ReadonlySignal<boolean>
  readonly isUpdateWaiting: ReadonlySignal<boolean>
  /** Changes to the new version and loads the page again. */
  update(): void
}

export function startOffline(): Offline {
  const isReady = signal(false)
  const isUpdateWaiting = signal(false)
  let waiting: ServiceWorker | null = null
  const offline: Offline = {
    isReady,
    isUpdateWaiting,
    update: () => {
      navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), {
        once: true,
      })
      waiting?.postMessage('update')
    },
  }
  // Pages over plain http of another machine have none.
  if (!('serviceWorker' in navigator)) return offline
  const wait = (worker: ServiceWorker) => {
    waiting = worker
    isUpdateWaiting.value = true
  }
  const register = async () => {
    const registration = await navigator.serviceWorker.register('sw.js')
    if (registration.waiting !== null) wait(registration.waiting)
    registration.addEventListener('updatefound', () => {
      const { installing } = registration
      installing?.addEventListener('statechange', () => {
        if (installing.state === 'installed' && registration.active !== null) wait(installing)
      })
    })
    await navigator.serviceWorker.ready
    isReady.value = true
  }
  register().catch(() => {})
  return offline
}
