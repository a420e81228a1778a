/** A page for tests: a device that answers to the Node side. */
import type { Device } from '@freehold/core/device/device'
import type { DevicePage } from './device-page.fixture.ts'
import { openDevice } from './open-device.ts'

let device: Device | undefined

function opened(): Device {
  if (device === undefined) throw new Error('the page has opened no device')
  return device
}

const testPage: DevicePage = {
  open: async (init) => {
    await device?.[Symbol.asyncDispose]()
    device = await openDevice({ database: 'device', threads: 1, ...init })
  },
  befriend: async (address, deposit) => {
    const known = await opened().peers.ask(address)
    await opened().channels.open(known, deposit)
  },
  borrow: async (question) => {
    const shown: string[] = []
    const completion = await opened().complete({ ...question, onText: (text) => shown.push(text) })
    const { text, ids, error, record } = completion
    const report = await completion.settled
    await opened().borrowing.idle()
    const { answers, channels } = opened().tables
    return {
      text,
      shown: shown.join(''),
      ids,
      error: error?.message ?? null,
      record: (record && (await answers.get(record.id))) ?? null,
      audit: report?.audit ?? null,
      channel: (record?.channelId && (await channels.get(record.channelId))) || null,
      egress: await opened().egress.verify(),
    }
  },
  profile: async (model) => (await opened().model(model)).info.profile,
  audit: async (model, id) => {
    await opened().model(model)
    return (await opened().audits.audit(id)).audit
  },
}
Object.assign(globalThis, { testPage })
