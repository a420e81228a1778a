import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { freemem, tmpdir, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { freeMemory } from './free-memory.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-memory-'))
afterAll(() => rm(folder, { recursive: true }))

const MEMINFO =
  'MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n'

async function machine(name: string, files: Record<string, string>): Promise<string> {
  const root = join(folder, name)
  for (const [path, text] of Object.entries({ 'proc/meminfo': MEMINFO, ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

describe('freeMemory', () => {
  it('default: says how much is free here', async () => {
    const { availableBytes, totalBytes } = await freeMemory()
    expect(availableBytes).toBeGreaterThan(0)
    expect(availableBytes).toBeLessThanOrEqual(totalBytes)
  })

  it('behaviour: counts what the file cache would give back', async () => {
    const free = await freeMemory(await machine('plain', {}))
    expect(free).toEqual({
      availableBytes: 8_192_000_000,
      totalBytes: 16_384_000_000,
      source: 'system',
    })
  })

  it('behaviour: a limit of any group above binds (version 2)', async () => {
    const root = await machine('v2', {
      'proc/self/cgroup': '0::/app.slice/freehold.service\n',
      'sys/fs/cgroup/app.slice/freehold.service/memory.max': 'max\n',
      'sys/fs/cgroup/app.slice/freehold.service/memory.current': '100000000\n',
      'sys/fs/cgroup/app.slice/memory.max': '2000000000\n',
      'sys/fs/cgroup/app.slice/memory.current': '900000000\n',
      'sys/fs/cgroup/app.slice/memory.stat':
        'anon 1\ninactive_file 300000000\nactive_file 100000000\n',
    })
    const expected = { availableBytes: 1.5e9, totalBytes: 2e9, source: 'cgroup' }
    expect(await freeMemory(root)).toEqual(expected)
  })

  it('behaviour: a limit binds where the group’s own path cannot be seen (version 1)', async () => {
    const root = await machine('v1', {
      'proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/docker/abc\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '1000000000\n',
      'sys/fs/cgroup/memory/memory.usage_in_bytes': '1200000000\n',
      'sys/fs/cgroup/memory/memory.stat': 'total_inactive_file 100000000\n',
    })
    expect(await freeMemory(root)).toMatchObject({ availableBytes: 0, source: 'cgroup' })
  })

  it('behaviour: no limit is no limit, and a system without /proc says what it can', async () => {
    const unlimited = await machine('none', {
      'proc/self/cgroup': '4:memory:/\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory/memory.usage_in_bytes': '5\n',
    })
    expect((await freeMemory(unlimited)).source).toBe('system')
    const { totalBytes, availableBytes } = await freeMemory(join(folder, 'nothing'))
    expect(totalBytes).toBe(totalmem())
    expect(Math.abs(availableBytes - freemem())).toBeLessThan(1e9)
  })
})
