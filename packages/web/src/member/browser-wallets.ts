import type { WalletProvider } from '@freehold/core/clearing/deposit-by-wallet'

/** A wallet that another program put into this page. */
export interface BrowserWallet {
  /** Of this wallet in this page, made by it. */
  id: string
  /** As it calls itself: anybody may call itself so. */
  name: string
  provider: WalletProvider
}

/** A page that names more than these is no help to anybody. */
const MOST_WALLETS = 20
const MOST_NAME = 60

/**
 * Asks which wallets are in the page (EIP-6963), and hears of those that come later.
 * @param onFound all that are known, each time another one says that it is there
 */
export function listenForWallets(
  onFound: (wallets: readonly BrowserWallet[]) => void,
  page: EventTarget = globalThis,
): Disposable {
  const found = new Map<string, BrowserWallet>()
  const hear = (event: Event) => {
    const wallet = readAnnouncement((event as CustomEvent<unknown>).detail)
    if (wallet === null || found.has(wallet.id) || found.size >= MOST_WALLETS) return
    found.set(wallet.id, wallet)
    onFound([...found.values()])
  }
  page.addEventListener('eip6963:announceProvider', hear)
  page.dispatchEvent(new Event('eip6963:requestProvider'))
  return {
    [Symbol.dispose]: () => page.removeEventListener('eip6963:announceProvider', hear),
  }
}

/** Whatever another program says is not believed to have a shape. */
function readAnnouncement(detail: unknown): BrowserWallet | null {
  const { info, provider } = (detail ?? {}) as { info?: unknown; provider?: unknown }
  const { uuid, name } = (info ?? {}) as { uuid?: unknown; name?: unknown }
  const { request } = (provider ?? {}) as Partial<WalletProvider>
  if (typeof uuid !== 'string' || typeof name !== 'string') return null
  if (typeof request !== 'function' || name.trim() === '') return null
  return { id: uuid, name: name.trim().slice(0, MOST_NAME), provider: provider as WalletProvider }
}
