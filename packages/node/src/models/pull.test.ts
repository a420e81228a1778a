import { open, readdir, readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BUNDLED } from './acorn.ts'
import { type FakeHub, startFakeHub } from './hub.fixture.ts'
import { type PullComponents, type PullInit, type PullProgress, pull } from './pull.ts'
import { createStoreHome, type StoreHome } from './store.fixture.ts'
import { nameOf } from './store.ts'

const WHOLE = await readFile(BUNDLED['acorn-small']!)
const OTHER = await readFile(BUNDLED.acorn!)
const PIECE = 256 * 1024
const FILE = 'acorn-Q4_K_M.gguf'

let hub: FakeHub
let home: StoreHome
let progress: PullProgress[]
let waits: number[]
beforeEach(async () => {
  hub = await startFakeHub()
  hub.files.set('README.md', Buffer.from('# Acorn'))
  hub.files.set(FILE, WHOLE)
  hub.files.set('acorn-Q8_0.gguf', OTHER)
  home = await createStoreHome()
  progress = []
  waits = []
})
afterEach(async () => {
  await hub[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

const fetchModel = (
  text = 'hf.co/user/repo',
  init: PullInit = {},
  components: Partial<PullComponents> = {},
) =>
  pull(
    text,
    {
      endpoint: hub.endpoint,
      registry: hub.registry,
      pieceBytes: PIECE,
      onProgress: (one) => progress.push(one),
      ...init,
    },
    {
      library: home,
      wait: async (ms) => {
        waits.push(ms)
      },
      ...components,
    },
  )

/** Shown bytes must never fall, and end at the whole. */
function requireRising(whole = WHOLE.length): void {
  const shown = progress.flatMap((one) => ('completedBytes' in one ? [one.completedBytes] : []))
  expect(shown).toEqual([...shown].sort((a, b) => a - b))
  expect(shown.at(-1)).toBe(whole)
}

const bytesOf = async (name: string) => {
  const found = (await home.store.list()).find((model) => nameOf(model) === name)
  return found && readFile(home.store.paths(found)[0]!)
}
const fetched = () => hub.requests.filter(({ at }) => at === 'cdn')
/** Bytes that were asked for. */
const asked = () =>
  fetched().reduce((sum, { range = '' }) => {
    const [from = 0, to = WHOLE.length - 1] = [...range.matchAll(/\d+/g)].map(Number)
    return sum + to - from + 1
  }, 0)
const leftOver = async () => (await readdir(home.store.downloads)).sort()

describe('pull', () => {
  it('default: fetches the usual quantisation in parts, and checks it', async () => {
    const { model, isUpToDate } = await fetchModel()
    expect(isUpToDate).toBe(false)
    expect(nameOf(model)).toBe('hf.co/user/repo:Q4_K_M')
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
    const ranges = new Set(fetched().map(({ range }) => range))
    expect(ranges.size).toBe(Math.ceil(WHOLE.length / PIECE))
    requireRising()
    expect(await leftOver()).toEqual([])
    // What was hashed for the check is not hashed again.
    let isHashed = false
    const onBytes = () => {
      isHashed = true
    }
    await home.known.read(home.store.paths(model)[0]!, { onBytes })
    expect(isHashed).toBe(false)
    hub.requests.length = 0
    expect((await fetchModel()).isUpToDate).toBe(true)
    expect(fetched()).toEqual([])
  })

  it.each([
    ['hf.co/user/repo:q8_0', 'hf.co/user/repo:Q8_0'],
    ['https://huggingface.co/user/repo/blob/main/acorn-Q8_0.gguf', 'hf.co/user/repo:acorn-Q8_0'],
    ['hf:user/repo/acorn-Q8_0.gguf#main', 'hf.co/user/repo:acorn-Q8_0'],
  ])('behaviour: %s is stored as %s', async (text, name) => {
    expect(nameOf((await fetchModel(text)).model)).toBe(name)
    expect(await bytesOf(name)).toEqual(OTHER)
  })

  it('behaviour: a model of several files is one model', async () => {
    hub.files.set('Q2_K/big-Q2_K-00001-of-00002.gguf', WHOLE)
    hub.files.set('Q2_K/big-Q2_K-00002-of-00002.gguf', OTHER)
    const { model } = await fetchModel('hf.co/user/repo:Q2_K')
    expect(model.files.map(({ fileName }) => fileName)).toEqual([
      'big-Q2_K-00001-of-00002.gguf',
      'big-Q2_K-00002-of-00002.gguf',
    ])
    const [, second = ''] = home.store.paths(model)
    expect(await readFile(second)).toEqual(OTHER)
    requireRising(WHOLE.length + OTHER.length)
  })

  it('behaviour: connections that break lose nothing that came', async () => {
    hub.fault = ({ at }, nth) => (at === 'cdn' && nth % 2 === 1 ? { cutAfter: 100_000 } : undefined)
    await fetchModel()
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
    const restarts = fetched().filter(({ range }) => Number(range?.match(/\d+/)?.[0]) % PIECE !== 0)
    expect(restarts.length).toBeGreaterThan(0)
    requireRising()
  })

  it('behaviour: a host that falls silent is asked anew', async () => {
    hub.fault = ({ at }, nth) => (at === 'cdn' && nth === 1 ? { stallAfter: 1_000 } : undefined)
    await fetchModel('hf.co/user/repo', { stallMs: 300 })
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
    expect(progress).toContainEqual(
      expect.objectContaining({ status: 'retrying', why: expect.stringMatching(/sent nothing/) }),
    )
  })

  it('behaviour: waits as long as the host asks for, at each step', async () => {
    const busy = { status: 429, headers: { 'retry-after': '7' } }
    hub.fault = (_request, nth) => (nth === 1 ? busy : undefined)
    await fetchModel()
    expect(waits).toEqual([7_000, 7_000, 7_000])
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
  })

  it('behaviour: a host that never gets better is given up, and what came is kept', async () => {
    hub.fault = ({ at }, nth) => (at === 'cdn' && nth > 2 ? { status: 503 } : undefined)
    await expect(fetchModel('hf.co/user/repo', { connections: 1 })).rejects.toMatchObject({
      name: 'ModelError',
      message: expect.stringMatching(/given up.*503.*the same command goes on/s),
    })
    expect(await home.store.list()).toEqual([])
    hub.fault = () => undefined
    hub.requests.length = 0
    await fetchModel()
    expect(fetched()).toHaveLength(Math.ceil(WHOLE.length / PIECE) - 2)
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
  })

  it('behaviour: goes on where it was interrupted', async () => {
    const abort = new AbortController()
    const { signal } = abort
    const onProgress = (one: PullProgress) => {
      if ('completedBytes' in one && one.completedBytes > WHOLE.length / 2) abort.abort()
    }
    await expect(fetchModel('hf.co/user/repo', { signal, onProgress })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(await home.store.list()).toEqual([])
    hub.requests.length = 0
    await fetchModel()
    const [first] = progress.flatMap((one) => ('completedBytes' in one ? [one.completedBytes] : []))
    expect(first).toBeGreaterThan(WHOLE.length / 2)
    expect(asked()).toBeLessThan(WHOLE.length / 2)
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
    requireRising()
  })

  it('behaviour: wrong bytes get no name, and the next pull begins anew', async () => {
    hub.fault = ({ at }, nth) => (at === 'cdn' && nth === 2 ? { wrongByte: 5 } : undefined)
    await expect(fetchModel()).rejects.toThrow(/not what was promised.*SHA-256 should be/s)
    expect(await home.store.list()).toEqual([])
    expect((await leftOver()).filter((name) => !name.endsWith('.lock'))).toEqual([])
    await fetchModel()
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
  })

  it('behaviour: a wrong digest in the name is refused', async () => {
    const wrong = `hf.co/user/repo@sha256:${'0'.repeat(64)}`
    await expect(fetchModel(wrong)).rejects.toThrow(/not what was promised/)
    expect(await home.store.list()).toEqual([])
  })

  it('behaviour: what is no GGUF gets no name, whatever its hash', async () => {
    hub.files.set(FILE, Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(100)]))
    await expect(fetchModel()).rejects.toMatchObject({ name: 'ModelError' })
    expect(await home.store.list()).toEqual([])
  })

  it('behaviour: two pulls at once fetch each byte once', async () => {
    const [one, two] = await Promise.all([fetchModel(), fetchModel()])
    expect(two.model).toEqual(one.model)
    expect(fetched()).toHaveLength(Math.ceil(WHOLE.length / PIECE))
    expect(progress).toContainEqual({ status: 'waiting', file: FILE })
  })

  it('behaviour: a disk that fills up is said, and what came is kept', async () => {
    let left = 1_000_000
    const openSmall: PullComponents['open'] = async (path, flags) => {
      const file = await open(path, flags)
      return {
        datasync: () => file.datasync(),
        close: () => file.close(),
        write: (async (bytes: Uint8Array, offset: number, length: number, at: number) => {
          left -= length
          if (left < 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
          return file.write(bytes, offset, length, at)
        }) as never,
      }
    }
    await expect(fetchModel('hf.co/user/repo', {}, { open: openSmall })).rejects.toMatchObject({
      name: 'ModelError',
      what: 'the disk is full',
    })
    expect(await home.store.list()).toEqual([])
    await fetchModel()
    expect(await bytesOf('hf.co/user/repo:Q4_K_M')).toEqual(WHOLE)
    expect(progress.some((one) => 'completedBytes' in one && one.completedBytes > 500_000)).toBe(
      true,
    )
  })

  it('behaviour: the token goes to the hub and to nobody else', async () => {
    await fetchModel('hf.co/user/repo', { token: 'hf_secret' })
    for (const { at, authorization } of hub.requests) {
      expect(authorization).toBe(at === 'cdn' ? undefined : 'Bearer hf_secret')
    }
  })

  it.each([
    ['hf.co/user/other', /status 401/],
    ['hf.co/user/repo:Q3_K_S', /no quantisation Q3_K_S. It has Q4_K_M, Q8_0/],
    ['hf:user/repo/none.gguf', /no file none.gguf/],
    ['llama3.2', /does not say where.*ollama.com\/library\/llama3.2/],
    ['ollama.com/llama3.2', /It is ollama.com\/library\/llama3.2/],
    ['https://ollama.com/search', /no name of a model/],
    ['user/repo', /it is hf.co\/user\/repo/],
    ['./file.gguf', /freehold import/],
    ['http://example.org/a.gguf', /without encryption/],
    ['https://example.org/%zz/a.gguf', /a % in it/],
    ['https://example.org/a.zip', /no address of a GGUF/],
    ['hf.co/../../etc', /no name of a model/],
  ])('behaviour: %s is refused clearly', async (text, words) => {
    await expect(fetchModel(text)).rejects.toThrow(words)
  })

  it('behaviour: a model behind terms says how to get it', async () => {
    hub.fault = () => ({ status: 403, headers: { 'x-error-code': 'GatedRepo' } })
    await expect(fetchModel()).rejects.toThrow(/accept its terms.*HF_TOKEN/s)
  })
})

describe('pull from an address', () => {
  it('default', async () => {
    const { model } = await fetchModel(`${hub.plain}/folder/${FILE}?key=secret`)
    expect(nameOf(model)).toBe(`${new URL(hub.plain).host}/folder/acorn-Q4_K_M:latest`)
    expect(model.from).not.toContain('secret')
    expect(await bytesOf(nameOf(model))).toEqual(WHOLE)
  })

  it('behaviour: a host that sends whole files only is not believed to have ranges', async () => {
    hub.fault = ({ at }, nth) => {
      if (at !== 'plain') return undefined
      // Four connections find out at once; then the whole file is cut a few times.
      return nth < 9 ? { noRanges: true, cutAfter: 100_000 * nth } : { noRanges: true }
    }
    const { model } = await fetchModel(`${hub.plain}/folder/${FILE}`)
    expect(await bytesOf(nameOf(model))).toEqual(WHOLE)
    requireRising()
  })

  it('behaviour: a file that changes on the way is not mixed from both', async () => {
    const other = Buffer.from(WHOLE)
    other[other.length - 1] = 1 ^ (other.at(-1) ?? 0)
    hub.fault = ({ at }, nth) => {
      if (at === 'plain' && nth === 4) hub.files.set(FILE, other)
      return undefined
    }
    const text = `${hub.plain}/folder/${FILE}`
    await expect(fetchModel(text, { connections: 1 })).rejects.toThrow(/another one now/)
    const { model } = await fetchModel(text)
    expect(await bytesOf(nameOf(model))).toEqual(other)
  })

  it('behaviour: an address cannot name a file outside of the store', async () => {
    const odd = '../../../../evil.gguf'
    hub.files.set(odd, WHOLE)
    const text = `${hub.plain}/folder/${encodeURIComponent(odd)}`
    await expect(fetchModel(text)).rejects.toThrow(/no usable name/)
    expect(await readdir(home.folder)).not.toContain('evil.gguf')
    expect(await home.store.list()).toEqual([])
  })

  it('behaviour: the digest behind an address is checked', async () => {
    const wrong = `${hub.plain}/folder/${FILE}@sha256:${'0'.repeat(64)}`
    await expect(fetchModel(wrong)).rejects.toThrow(/not what was promised/)
  })
})

describe('pull from the registry of Ollama', () => {
  const NAME = 'ollama.com/library/qwen3:0.6b'
  const weights = { kind: 'model', bytes: WHOLE }
  const others = ['template', 'params', 'license', 'system'].map((kind) => ({
    kind,
    bytes: Buffer.from(`the ${kind}`),
  }))
  beforeEach(() => {
    hub.images.set('library/qwen3:0.6b', [weights, ...others])
  })

  it('default: fetches the weights in parts, and checks them', async () => {
    const { model, isUpToDate } = await fetchModel(NAME, { token: 'hf_secret' })
    expect(isUpToDate).toBe(false)
    expect(nameOf(model)).toBe(NAME)
    expect(model.files.map(({ fileName }) => fileName)).toEqual(['qwen3-0.6b.gguf'])
    expect(await bytesOf(NAME)).toEqual(WHOLE)
    expect(new Set(fetched().map(({ range }) => range)).size).toBe(Math.ceil(WHOLE.length / PIECE))
    requireRising()
    // What opens the one host is nobody's business at the other.
    expect(hub.requests.map(({ authorization }) => authorization)).not.toContain('Bearer hf_secret')
    hub.requests.length = 0
    expect((await fetchModel(NAME)).isUpToDate).toBe(true)
    expect(hub.requests.map(({ at }) => at)).toEqual(['manifest'])
  })

  it.each([
    ['registry.ollama.ai/library/qwen3:0.6b', NAME],
    ['https://ollama.com/library/qwen3:0.6b', NAME],
    ['https://registry.ollama.ai/library/qwen3:0.6b/', NAME],
    ['ollama.com/library/qwen3', 'ollama.com/library/qwen3:latest'],
    ['Ollama.com/me/Birch:v1', 'ollama.com/me/Birch:v1'],
  ])('behaviour: %s is stored as %s', async (text, name) => {
    hub.images.set('library/qwen3:latest', [weights])
    hub.images.set('me/Birch:v1', [weights])
    expect(nameOf((await fetchModel(text)).model)).toBe(name)
  })

  it('behaviour: bytes that are here already are not fetched again, whoever brought them', async () => {
    await fetchModel('hf.co/user/repo')
    hub.requests.length = 0
    await fetchModel(NAME)
    expect(fetched()).toEqual([])
    expect(await bytesOf(NAME)).toEqual(WHOLE)
  })

  it('behaviour: connections that break, and a host that wants patience, lose nothing', async () => {
    const busy = { status: 429, headers: { 'retry-after': '7' } }
    hub.fault = ({ at }, nth) => {
      if (at === 'cdn') return nth % 2 === 1 ? { cutAfter: 100_000 } : undefined
      return nth === 1 ? busy : undefined
    }
    await fetchModel(NAME)
    expect(waits.filter((ms) => ms === 7_000)).toHaveLength(2)
    expect(await bytesOf(NAME)).toEqual(WHOLE)
    requireRising()
  })

  it('behaviour: goes on where it was interrupted', async () => {
    const abort = new AbortController()
    const onProgress = (one: PullProgress) => {
      if ('completedBytes' in one && one.completedBytes > WHOLE.length / 2) abort.abort()
    }
    const { signal } = abort
    await expect(fetchModel(NAME, { signal, onProgress })).rejects.toThrow(/abort/)
    hub.requests.length = 0
    await fetchModel(NAME)
    expect(asked()).toBeLessThan(WHOLE.length / 2)
    expect(await bytesOf(NAME)).toEqual(WHOLE)
  })

  it('behaviour: wrong bytes get no name', async () => {
    hub.fault = ({ at }, nth) => (at === 'cdn' && nth === 2 ? { wrongByte: 5 } : undefined)
    await expect(fetchModel(NAME)).rejects.toThrow(/not what was promised.*SHA-256 should be/s)
    expect(await home.store.list()).toEqual([])
    const wrong = `${NAME}@sha256:${'0'.repeat(64)}`
    await expect(fetchModel(wrong)).rejects.toThrow(/not what was promised/)
  })

  it('behaviour: two pulls at once fetch each byte once', async () => {
    const [one, two] = await Promise.all([fetchModel(NAME), fetchModel(NAME)])
    expect(two.model).toEqual(one.model)
    expect(fetched()).toHaveLength(Math.ceil(WHOLE.length / PIECE))
  })

  it.each([
    ['an adapter', [weights, { kind: 'adapter', bytes: OTHER }], /made with an adapter/],
    ['no GGUF', [{ kind: 'tensor', bytes: OTHER }], /no weights in the GGUF format.*hf.co/],
    ['two files', [weights, { kind: 'model', bytes: OTHER }], /several files/],
  ])(
    'behaviour: a model with %s is refused before anything is fetched',
    async (_, image, words) => {
      hub.images.set('library/qwen3:0.6b', image)
      await expect(fetchModel(NAME)).rejects.toThrow(words)
      expect(fetched()).toEqual([])
    },
  )

  it('behaviour: what is not there, private, or no registry is said', async () => {
    await expect(fetchModel('ollama.com/library/none')).rejects.toThrow(/status 404.*name is right/)
    hub.fault = () => ({ status: 401 })
    await expect(fetchModel(NAME)).rejects.toThrow(/status 401.*with Ollama itself/)
    hub.fault = () => undefined
    const page = { registry: `${hub.plain}/folder` }
    hub.files.set('v2/library/qwen3/manifests/0.6b', Buffer.from('<html>'))
    await expect(fetchModel(NAME, page)).rejects.toThrow(/FREEHOLD_OLLAMA_REGISTRY is right/)
  })
})
