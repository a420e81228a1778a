import { randomBytes } from 'node:crypto'
import { fromHex } from '@freehold/core/bytes'
import { peerName } from '@freehold/core/identity/peer-name'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createTown,
  question,
  type Town,
  termsOn,
  WEB_SOCKETS,
} from '../packages/node/src/device/town.fixture.ts'
import { barriersOf } from '../packages/web/src/testing/accessible.fixture.ts'
import {
  type AppSite,
  openAppSite,
  type Visitor,
} from '../packages/web/src/testing/app-site.fixture.ts'
import { personAt, pretendBattery } from './person.fixture.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 300_000
const DEPOSIT = 100_000n
/** For whoever submits an order of another device. */
const FEE = 7

let town: Town
let site: AppSite
let visitor: Visitor
let page: Page
let person: ReturnType<typeof personAt>
/** Of the page's device, hex. */
let key: string
/** Submits for devices without coin, and borrows. */
let other: Awaited<ReturnType<Town['lender']>>

beforeAll(async () => {
  town = await createTown()
  const payment = termsOn(town.chain.settings, { relayFee: FEE })
  other = await town.lender({ payment, device: { listen: [WEB_SOCKETS] } })
  site = await openAppSite()
  visitor = await site.visitor()
  page = visitor.page
  person = personAt(page)
  page.setDefaultTimeout(30_000)
  await page.addInitScript(pretendBattery)
  await page.reload()
}, TEST_MS)
afterAll(async () => {
  await visitor?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
  await town?.[Symbol.asyncDispose]()
}, TEST_MS)

const setCharging = (charging: boolean) =>
  page.evaluate((is) => {
    Object.assign((globalThis as unknown as { battery: object }).battery, { charging: is })
  }, charging)
const state = () => page.locator('.lend-state').textContent()

const peerOfKey = (key: string) => peerName(fromHex(key))

describe('the app as a lender', { timeout: TEST_MS }, () => {
  it('default: earns from a stranger while it charges, settles, and takes the money out', async () => {
    await person.fillChain(town.chain.settings)
    key = await person.takeKeys()
    await person.show('lenders')
    await page.getByLabel('To whom').selectOption('market')
    expect(await page.getByLabel('Price').inputValue()).toBe('1000000')
    await person.button('Lend').click()
    await expect.poll(state).toBe('Lending.')
    expect(await barriersOf(page)).toEqual([])

    // Whoever is connected can be asked: here a lender that the page has met.
    const { device } = other
    await person.field('Address or invitation').fill(other.lending.addresses()[0] ?? '')
    await person.button('Add').click()
    await page.locator('.lender').waitFor()
    const known = await device.peers.ask(`/p2p/${peerOfKey(key)}`)
    await device.channels.open(known, DEPOSIT)
    const answer = await device.complete(question({ lender: key, maxTokens: 40 }))
    expect(answer.error).toBeNull()
    await answer.settled
    await device.borrowing.idle()
    const paid = answer.record?.priceUnits ?? 0n
    expect(paid).toBeGreaterThan(0n)

    await person.show('wallet')
    await page.locator('#not-settled', { hasText: String(paid) }).waitFor()
    const target = `0x${randomBytes(20).toString('hex')}` as const
    await person.field('To which account').fill(target)
    await person.button('Withdraw').click()
    // Twice, since it also settles what was earned.
    await page.getByText('submits it for 14 units').waitFor()
    expect(await barriersOf(page)).toEqual([])
    await person.button('Pay that').click()
    await page.locator('#not-settled', { hasText: '0 units' }).waitFor()
    expect((await town.look.balances(target)).wallet).toBe(paid - BigInt(2 * FEE))
  })

  it('behaviour: on its battery it ends what it writes, and offers nothing', async () => {
    const { device } = other
    await person.show('lenders')
    let said = 0
    const answer = device.complete(
      question({
        lender: key,
        maxTokens: 400,
        onText: () => {
          if (said++ === 0) void setCharging(false)
        },
      }),
    )
    const { error } = await answer
    expect(error === null || /owner|machine/.test(String(error))).toBe(true)
    await expect.poll(state).toBe('Not lending now: it runs on its battery.')
    await expect(device.peers.ask(`/p2p/${peerOfKey(key)}`)).rejects.toThrow(/lends nothing/)
    await setCharging(true)
    await expect.poll(state).toBe('Lending.')
    await device.peers.ask(`/p2p/${peerOfKey(key)}`)
  })

  it('behaviour: what makes no sense is said, and nothing changes', async () => {
    await page.getByLabel('Price').fill('a lot')
    await person.button('Save').click()
    await page.getByText('“a lot” is no amount').waitFor()
    await page.getByLabel('Price').fill('1000000')
    await page.getByLabel('Relays').fill('relay.example.org')
    await person.button('Save').click()
    await page.getByText('“relay.example.org” is no relay').waitFor()
    expect(await state()).toBe('Lending.')
    expect(visitor.complaints).toEqual([])
  })
})
