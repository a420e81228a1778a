import { type Signal, signal } from '@preact/signals'

/** What is shown; after `#` in the address, so that any host of plain files can serve it. */
export type Route = { view: 'chat'; id: string | null } | { view: Page }
export type Page = (typeof PAGES)[number]

const PAIR = 'pair'

/** Everything besides chats. */
export const PAGES = [
  'dashboard',
  'models',
  'lenders',
  'wallet',
  'egress',
  'figures',
  'settings',
] as const

export function routeSignal(): Signal<Route> {
  const route = signal(parseRoute(location.hash))
  addEventListener('hashchange', () => {
    route.value = parseRoute(location.hash)
  })
  return route
}

/** The link by which another device's QR code opened the app. It holds a code: the address bar forgets it. */
export function pairLinkSignal(): Signal<string> {
  const link = signal('')
  const take = () => {
    if (location.hash.split('/')[1] !== PAIR) return
    link.value = location.href
    history.replaceState(null, '', hrefOf({ view: 'lenders' }))
  }
  take()
  addEventListener('hashchange', take)
  return link
}

export function parseRoute(hash: string): Route {
  const [, view, id] = hash.split('/')
  if (view === PAIR) return { view: 'lenders' }
  const page = PAGES.find((name) => name === view)
  if (page !== undefined) return { view: page }
  return { view: 'chat', id: view === 'chat' && id ? id : null }
}

export function hrefOf(route: Route): string {
  if (route.view !== 'chat') return `#/${route.view}`
  return route.id === null ? '#/' : `#/chat/${route.id}`
}

export function go(route: Route): void {
  location.hash = hrefOf(route)
}
