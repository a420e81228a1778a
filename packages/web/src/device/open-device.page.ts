/** A page for tests: a device that answers to the Node side. */
import { calibrate } from '@freehold/core/audit/calibrate'
import type { CalibrationTable } from '@freehold/core/audit/calibration'
import type { Device } from '@freehold/core/device/device'
import { promptIdsOf } from '@freehold/core/device/text'
import { systemRandom } from '@freehold/core/platform'
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
  calibrate: async ({ model, messages, prompts, lenderBackend }) => {
    const loaded = await opened().model(model)
    const ids = await promptIdsOf(loaded, messages)
    const table: CalibrationTable = await calibrate(
      { honest: [loaded], cheats: {}, random: systemRandom },
      {
        prompts: new Array<number[]>(prompts).fill(ids),
        maxTokens: 96,
        temperature: 1,
        conditions: 'this page',
      },
    )
    return { ...table, lenderBackend }
  },
  audit: async (model, id) => {
    await opened().model(model)
    return (await opened().audits.audit(id)).audit
  },
}
Object.assign(globalThis, { testPage })
