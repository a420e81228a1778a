import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findEnergyCounter } from './energy-counter.ts'
import { createForeignLoad } from './foreign-load.ts'
import { createMachine } from './machine.ts'
import { openOwnUse, readOwnUse } from './own-use.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'freehold-power-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

/** Files of a machine that is made up, as the kernel writes them. */
async function tree(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), `${text}\n`)
  }
}

const look = () =>
  createMachine({
    ownUse: join(root, 'own-use'),
    sys: join(root, 'sys'),
    proc: join(root, 'proc'),
    platform: 'linux',
  }).look()

const POWER = 'sys/class/power_supply'
const THERMAL = 'sys/class/thermal'
const RAPL = 'sys/class/powercap'

describe('createMachine', () => {
  it('default: a laptop on its charger', async () => {
    await tree({
      [`${POWER}/AC/type`]: 'Mains',
      [`${POWER}/AC/online`]: '1',
      [`${POWER}/BAT0/type`]: 'Battery',
      [`${POWER}/BAT0/status`]: 'Charging',
      [`${THERMAL}/thermal_zone0/temp`]: '48000',
      [`${THERMAL}/thermal_zone1/temp`]: '61500',
      [`${THERMAL}/thermal_zone2/temp`]: '-273000',
      [`${THERMAL}/cooling_device0/temp`]: '99000',
    })
    expect(await look()).toMatchObject({
      isOnMains: true,
      temperatureC: 61.5,
      foreignLoad: null,
      isOwnRunning: false,
      ownIdleMs: Number.POSITIVE_INFINITY,
    })
  })

  it.each([
    [
      'on its battery',
      {
        'AC/type': 'Mains',
        'AC/online': '0',
        'BAT0/type': 'Battery',
        'BAT0/status': 'Discharging',
      },
      false,
    ],
    [
      'a desktop with a mouse',
      { 'm/type': 'Battery', 'm/scope': 'Device', 'm/status': 'Discharging' },
      true,
    ],
    ['that does not tell', { 'BAT0/type': 'Battery', 'BAT0/status': 'Unknown' }, null],
  ])('behaviour: a machine %s', async (_, files, isOnMains) => {
    await tree(
      Object.fromEntries(Object.entries(files).map(([at, text]) => [`${POWER}/${at}`, text])),
    )
    expect((await look()).isOnMains).toBe(isOnMains)
  })

  it('behaviour: what is not there is unknown', async () => {
    expect(await look()).toMatchObject({ isOnMains: null, temperatureC: null, foreignLoad: null })
  })
})

describe('createForeignLoad', () => {
  const stat = (user: number, idle: number) => `cpu  ${user} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 1 1 1`
  const process = (pid: number, parent: number, ticks: number) =>
    `${pid} (a) b) S ${parent} 0 0 0 0 0 0 0 0 0 ${ticks} 0 0 0 0`

  it('default: what others use, without this process and its children', async () => {
    const load = createForeignLoad({ proc: join(root, 'proc'), pid: 10 })
    await tree({
      'proc/stat': stat(100, 900),
      'proc/10/stat': process(10, 1, 10),
      'proc/11/stat': process(11, 10, 20),
      'proc/20/stat': process(20, 1, 70),
    })
    expect(await load()).toBeNull()
    await tree({
      'proc/stat': stat(200, 1_000),
      'proc/10/stat': process(10, 1, 20),
      'proc/11/stat': process(11, 10, 70),
      'proc/20/stat': process(20, 1, 110),
    })
    expect(await load()).toBeCloseTo(40 / 200)
  })

  it('behaviour: of this machine it is a share', async () => {
    const load = createForeignLoad({ proc: '/proc' })
    await load()
    const share = await load()
    if (share !== null) expect(share).toBeGreaterThanOrEqual(0)
    if (share !== null) expect(share).toBeLessThanOrEqual(1)
  })
})

describe('openOwnUse', () => {
  it('default: says while an answer goes on, and since when none does', async () => {
    const folder = join(root, 'own-use')
    const use = openOwnUse(folder)
    const [one, other] = [use.begin(), use.begin()]
    one[Symbol.dispose]()
    one[Symbol.dispose]()
    expect(await readOwnUse(folder)).toMatchObject({ isOwnRunning: true })
    other[Symbol.dispose]()
    const { isOwnRunning, ownIdleMs } = await readOwnUse(folder, Date.now() + 60_000)
    expect(isOwnRunning).toBe(false)
    expect(ownIdleMs).toBeGreaterThanOrEqual(59_000)
  })

  it('behaviour: a process that was killed while it answered holds nothing up', async () => {
    const folder = join(root, 'own-use')
    await tree({ 'own-use/4194304': '' })
    expect((await readOwnUse(folder)).isOwnRunning).toBe(false)
    expect(await readdir(folder)).toEqual([])
  })
})

describe('findEnergyCounter', () => {
  it('default: the sum of the packages, over the end of their range', async () => {
    await tree({
      [`${RAPL}/intel-rapl:0/name`]: 'package-0',
      [`${RAPL}/intel-rapl:0/energy_uj`]: '9000000',
      [`${RAPL}/intel-rapl:0/max_energy_range_uj`]: '10000000',
      [`${RAPL}/intel-rapl:0:0/energy_uj`]: '5000000',
      [`${RAPL}/intel-rapl:1/name`]: 'package-1',
      [`${RAPL}/intel-rapl:1/energy_uj`]: '1000000',
      [`${RAPL}/intel-rapl-mmio:0/name`]: 'package-0',
      [`${RAPL}/intel-rapl-mmio:0/energy_uj`]: '9000000',
    })
    const counter = await findEnergyCounter({ sys: join(root, 'sys') })
    const before = await counter?.read()
    await tree({
      [`${RAPL}/intel-rapl:0/energy_uj`]: '2000000',
      [`${RAPL}/intel-rapl:1/energy_uj`]: '1500000',
    })
    expect(((await counter?.read()) ?? 0) - (before ?? 0)).toBeCloseTo(3 + 0.5)
    expect(counter?.source).toBe('rapl')
  })

  it('behaviour: else what the battery gave, while it gives', async () => {
    await tree({
      [`${POWER}/BAT0/type`]: 'Battery',
      [`${POWER}/BAT0/status`]: 'Discharging',
      [`${POWER}/BAT0/energy_now`]: '50000000',
    })
    const counter = await findEnergyCounter({ sys: join(root, 'sys') })
    const before = await counter?.read()
    await tree({ [`${POWER}/BAT0/energy_now`]: '49990000' })
    // 10 mWh are 36 J.
    expect(((await counter?.read()) ?? 0) - (before ?? 0)).toBeCloseTo(36)
    await tree({ [`${POWER}/BAT0/status`]: 'Charging' })
    expect(await counter?.read()).toBeNull()
  })

  it('behaviour: a machine without either has none', async () => {
    expect(await findEnergyCounter({ sys: join(root, 'sys') })).toBeNull()
  })
})
