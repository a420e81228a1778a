import { describe, expect, it } from 'vitest'
import { memoryOf, sumMaps } from './process-memory.ts'

const SMAPS = `7f0000000000-7f0000400000 r--s 00000000 08:01 77   /models/a model.gguf
Size:               4096 kB
Rss:                3000 kB
Pss:                1500 kB
Pss_Dirty:             0 kB
7f0000400000-7f0000500000 r-xp 00000000 08:01 78   /usr/lib/libc.so.6
Rss:                 900 kB
Pss:                 100 kB
7f0000500000-7f0000600000 rw-p 00000000 00:00 0
Rss:                  20 kB
Pss:                  20 kB
VmFlags: rd wr mr mw me ac
`

describe('sumMaps', () => {
  it('default: counts the file whole and everything else in shares', () => {
    expect(sumMaps(SMAPS, '/models/a model.gguf')).toEqual({
      fileBytes: 3_000 * 1_024,
      otherBytes: 120 * 1_024,
    })
  })

  it('behaviour: a file with the end of another’s name is another', () => {
    expect(sumMaps(SMAPS, 'model.gguf').otherBytes).toBe(1_620 * 1_024)
  })
})

describe.runIf(process.platform === 'linux')('memoryOf', () => {
  it('default: sees what this process holds', async () => {
    const held = Buffer.alloc(64 * 2 ** 20, 1)
    expect(await memoryOf(process.pid, '/none')).toBeGreaterThan(held.length)
  })
})
