import { describe, expect, it } from 'vitest'
import { type BrowserWallet, listenForWallets } from './browser-wallets.ts'

const provider = { request: async () => null }

function announce(page: EventTarget, detail: unknown): void {
  page.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
}

describe('wallets in a page', () => {
  it('default: those that are there answer, and later ones are heard once', () => {
    const page = new EventTarget()
    const early = { info: { uuid: 'a', name: ' Early ' }, provider }
    page.addEventListener('eip6963:requestProvider', () => announce(page, early))
    let found: readonly BrowserWallet[] = []
    const listening = listenForWallets((all) => {
      found = all
    }, page)
    expect(found.map(({ name }) => name)).toEqual(['Early'])
    announce(page, { info: { uuid: 'b', name: 'Late' }, provider })
    announce(page, { info: { uuid: 'b', name: 'Late again' }, provider })
    expect(found.map(({ name }) => name)).toEqual(['Early', 'Late'])
    listening[Symbol.dispose]()
    announce(page, { info: { uuid: 'c', name: 'Too late' }, provider })
    expect(found).toHaveLength(2)
  })

  it('behaviour: what is no wallet is none, and there are not endlessly many', () => {
    const page = new EventTarget()
    let found: readonly BrowserWallet[] = []
    using _ = listenForWallets((all) => {
      found = all
    }, page)
    const info = { uuid: 'a', name: 'A' }
    const bad = [undefined, null, 7, {}, { info }, { info, provider: {} }, { provider }]
    for (const detail of bad) announce(page, detail)
    announce(page, { info: { uuid: 'a', name: '  ' }, provider })
    announce(page, { info: { uuid: 1, name: 'A' }, provider })
    expect(found).toEqual([])
    for (let i = 0; i < 30; i++) {
      announce(page, { info: { uuid: String(i), name: 'x'.repeat(1_000) }, provider })
    }
    expect(found).toHaveLength(20)
    expect(found[0]?.name).toHaveLength(60)
  })
})
