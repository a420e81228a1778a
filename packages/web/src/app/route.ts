import { type Signal, signal } from '@preact/signals'

/** What is shown; after `#` in the address, so that any host of plain files can serve it. */
export type Route = { view: 'chat'; id: string | null } | { view: Page }
export type Page = (typeof PAGES)[number]

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

export function parseRoute(hash: string): Route {
  const [, view, id] = hash.split('/')
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
