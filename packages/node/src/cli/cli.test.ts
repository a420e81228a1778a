import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BrokenModels, createBrokenModels } from '../engine/test-models.ts'
import { BUNDLED } from '../models/acorn.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-cli-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
  /** The JSON of the last line of stdout. */
  json: Record<string, never>
}

/** Runs the program as a shell would, with an empty home unless told otherwise. */
async function freehold(
  args: readonly string[],
  init: { home?: string; input?: string; env?: Record<string, string>; under?: string[] } = {},
): Promise<Outcome> {
  const [command, ...before] = [...(init.under ?? []), process.execPath]
  const child = spawn(command, [...before, '--no-warnings', MAIN, ...args], {
    env: { ...process.env, FREEHOLD_HOME: join(folder, init.home ?? 'home'), ...init.env },
  })
  child.stdin.end(init.input ?? '')
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  const last = stdout.trim().split('\n').at(-1) ?? ''
  const json = last.startsWith('{') || last.startsWith('[') ? JSON.parse(last) : {}
  return { code, stdout, stderr, json }
}

/** Which packages a run of the program loads, apart from processes that it starts. */
async function packagesOf(args: readonly string[]): Promise<string[]> {
  const hook = `import { registerHooks } from 'node:module'
    import { appendFileSync } from 'node:fs'
    registerHooks({ load(url, context, next) {
      appendFileSync(process.env.LOADED, url + '\\n')
      return next(url, context)
    } })`
  const LOADED = join(folder, `loaded-${args[0]}`)
  const NODE_OPTIONS = `--import ${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)}`
  const { code } = await freehold(args, { env: { LOADED, NODE_OPTIONS } })
  expect(code).toBe(0)
  const urls = await readFile(LOADED, 'utf8')
  return [...urls.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)/g)].map(([, name]) => name ?? '')
}

describe('freehold', () => {
  it('default: says its version and loads nothing for it but what reads the line', async () => {
    expect(await freehold(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n', stderr: '' })
    for (const asked of ['--version', 'help']) {
      expect([...new Set(await packagesOf([asked]))].sort()).toEqual(['@bomb.sh/tab', 'commander'])
    }
  })

  it('behaviour: an own answer loads neither network nor chain', async () => {
    const packages = await packagesOf(['run', 'Hello'])
    expect(packages).toContain('zod')
    expect(packages.filter((name) => /libp2p|viem|multiformats|abitype|^ox$/.test(name))).toEqual(
      [],
    )
  })

  it('behaviour: help names every command, loaded or not', async () => {
    const { stdout } = await freehold(['--help'])
    for (const line of [/^ +list\|ls +List the models/m, /^ +demo +Show the whole/m]) {
      expect(stdout).toMatch(line)
    }
    const [one, other] = await Promise.all([freehold(['help', 'ls']), freehold(['list', '--help'])])
    expect(one.stdout).toMatch(/only those whose names contain them/)
    expect(other.stdout).toBe(one.stdout)
  })

  it('behaviour: is compiled once for a home, or where NODE_COMPILE_CACHE says', async () => {
    const env = { NODE_COMPILE_CACHE: '' }
    await freehold(['list'], { home: 'compiles', env })
    expect(await readdir(join(folder, 'compiles', 'cache', 'compiled'))).toHaveLength(1)
    const elsewhere = { NODE_COMPILE_CACHE: join(folder, 'elsewhere') }
    await freehold(['list'], { home: 'borrows', env: elsewhere })
    expect(await readdir(elsewhere.NODE_COMPILE_CACHE)).toHaveLength(1)
    await expect(readdir(join(folder, 'borrows', 'cache'))).rejects.toThrow(/ENOENT/)
  })
})

describe('freehold run', () => {
  it('default', async () => {
    const { code, stdout, stderr } = await freehold(['run', 'Hello'])
    expect(code).toBe(0)
    expect(stdout.trim()).not.toBe('')
    expect(stderr).toBe('')
  })

  it('behaviour: --json prints one object with text and figures', async () => {
    const { json } = await freehold(['run', '--json', 'acorn-small', 'Hello'])
    expect(json).toMatchObject({ where: 'here', model: expect.stringContaining('Acorn') })
    expect(json.text).toBeTypeOf('string')
    expect(json.tokens).toBeGreaterThan(0)
    expect(json.modelId).toMatch(/^[0-9a-f]{64}$/)
  })

  it('behaviour: the same seed gives the same answer, another one another', async () => {
    const ask = (seed: string) =>
      freehold([
        'run',
        '--json',
        '--temperature',
        '1',
        '--seed',
        seed,
        'Tell me a story about rain',
      ])
    const [one, again, other] = await Promise.all([ask('1'), ask('1'), ask('2')])
    expect(again.json.text).toBe(one.json.text)
    expect(other.json.text).not.toBe(one.json.text)
  })

  it('behaviour: the question may come through a pipe', async () => {
    const { code, stdout } = await freehold(['run', 'acorn'], { input: 'Hello\n' })
    expect(code).toBe(0)
    expect(stdout.trim()).not.toBe('')
  })

  const hasStrace = spawnSync('strace', ['-V']).status === 0
  it.skipIf(!hasStrace)(
    'behaviour: an own answer opens no AF_INET socket (skipped where strace is not installed)',
    async () => {
      const trace = join(folder, 'trace')
      const under = ['strace', '-f', '-qq', '-e', 'trace=socket', '-o', trace]
      const { code } = await freehold(['run', 'Hello'], { under })
      expect(code).toBe(0)
      expect(await readFile(trace, 'utf8')).not.toMatch(/AF_INET/)
    },
  )

  it.each([
    ['a model that is not here', ['run', './no-such.gguf', 'Hello'], 1, /no-such\.gguf/],
    ['a temperature out of range', ['run', '--temperature', '9', 'Hello'], 2, /0 to 2/],
    ['an unknown scope', ['run', '--scope', 'world', 'Hello'], 2, /Allowed choices/],
    ['an unknown option', ['run', '--tempreature', '1', 'Hello'], 2, /did you mean/i],
    ['an unknown command', ['rnu', 'Hello'], 2, /did you mean/i],
    ['no question', ['run', 'acorn'], 2, /no question/],
    ['a peer within the device', ['run', '--via', 'peer', 'Hello'], 1, /may not leave the device/],
    [
      'a lender within the device',
      ['run', '--peer', 'x', 'acorn', 'Hello'],
      2,
      /may not leave the device. Add --scope/,
    ],
    ['more tokens than fit', ['run', '--max-tokens', '16000', 'Hello'], 2, /context/],
  ])('behaviour: %s is said clearly', async (_name, args, status, words) => {
    const { code, stdout, stderr } = await freehold(args)
    expect(code).toBe(status)
    expect(stderr).toMatch(words)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(stdout).toBe('')
  })

  it('behaviour: a file that is no model is said clearly, in JSON too', async () => {
    const path = join(folder, 'broken.gguf')
    await writeFile(path, 'GGUF, or so it says')
    const { code, json, stderr } = await freehold(['run', '--json', path, 'Hello'])
    expect(code).toBe(1)
    expect(json).toMatchObject({ error: { name: 'ModelError' } })
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  it('behaviour: ends when its reader goes away', async () => {
    const child = spawn(process.execPath, ['--no-warnings', MAIN, 'run', 'Tell me a long story'], {
      env: { ...process.env, FREEHOLD_HOME: join(folder, 'home') },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    const [code] = await once(child, 'close')
    expect(code).toBe(0)
  })

  it('behaviour: Ctrl-C ends it with status 130', async () => {
    const child = spawn(
      process.execPath,
      ['--no-warnings', MAIN, 'run', '--max-tokens', '900', 'Tell me a long story about a whale'],
      {
        env: { ...process.env, FREEHOLD_HOME: join(folder, 'home') },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    const [code] = await once(child, 'close')
    // A short answer may be over before the signal arrives.
    expect([0, 130]).toContain(code)
  })
})

describe('freehold, with a model that is elsewhere', () => {
  const env = { FREEHOLD_PASSPHRASE: 'correct horse battery staple' }
  const borrower = { home: 'borrower', env }
  let files: BrokenModels
  let birch: string
  let lender: ChildProcess | undefined
  let peer: string

  beforeAll(async () => {
    files = await createBrokenModels()
    birch = await files.make('birch', (bytes) => {
      bytes.write('Birch', bytes.indexOf('general.name') + 'general.name'.length + 4 + 8)
      return bytes
    })
    await freehold(['wallet', 'init', '--json'], { home: 'lender', env })
    await freehold(['wallet', 'init', '--json'], borrower)
    const args = ['--no-warnings', MAIN, 'lend', '--free', '--json', birch]
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...env, FREEHOLD_HOME: join(folder, 'lender') },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    lender = child
    const [line] = await once(createInterface(child.stdout), 'line')
    ;[peer] = JSON.parse(line).addresses
  })
  afterAll(async () => {
    if (lender?.kill('SIGTERM')) await once(lender, 'close')
    await files[Symbol.asyncDispose]()
  })

  const ask = (model: string) =>
    freehold(
      ['run', '--json', '--scope', 'market', '--max-tokens', '8', '--peer', peer, model, 'Hello'],
      borrower,
    )

  it('default: borrows by name, then by id, and says what it fetches', async () => {
    const first = await ask('birch')
    expect(first.json).toMatchObject({ where: 'peer', model: 'Birch', tokens: 8, error: null })
    expect(first.stderr).toMatch(/Fetching the header of Birch \([0-9a-f]{64}\) from 12D3/)
    expect(first.stderr).toMatch(/1 of 1 MiB/)
    const id = String(first.json.modelId)
    const second = await ask(id)
    expect(second.json).toMatchObject({ where: 'peer', modelId: id, error: null })
    expect(second.stderr).not.toMatch(/Fetching/)
    const here = await freehold(['run', id, 'Hello'], borrower)
    expect(here).toMatchObject({ code: 1, stderr: expect.stringMatching(/no model/) })
  })

  it('behaviour: an audit waits for the model, or for a device that holds it', async () => {
    const { json } = await ask('birch')
    const audit = ['audit', '--json', String(json.receipt)]
    const alone = await freehold(audit, borrower)
    expect(alone.json).toMatchObject({
      pooled: 'pending',
      audit: { why: expect.stringMatching(/Birch is not here, and no device of yours/) },
    })
    const wrong = await freehold([...audit, '--model', 'acorn'], borrower)
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/another model than/) })
    const known = await freehold([...audit, '--model', birch], borrower)
    expect(known.json).toMatchObject({ audit: { statistics: { positions: 8 } }, auditor: null })
  })
})

describe('freehold wallet', () => {
  const env = { FREEHOLD_PASSPHRASE: 'correct horse battery staple' }

  it('default', async () => {
    const { code, json } = await freehold(['wallet', 'init', '--json'], { home: 'keys', env })
    expect(code).toBe(0)
    const phrase = String(json.phrase)
    expect(phrase.split(' ')).toHaveLength(24)
    const vault = await readFile(join(folder, 'keys', 'vault.json'), 'utf8')
    for (const word of phrase.split(' ').filter((word) => word.length > 4)) {
      expect(vault).not.toContain(word)
    }
  })

  it('behaviour: a phrase restores the same account, and a wrong one is refused', async () => {
    const first = await freehold(['wallet', 'init', '--json'], { home: 'lost', env })
    const init = { env, input: String(first.json.phrase) }
    const args = ['wallet', 'init', '--json', '--restore']
    const second = await freehold(args, { ...init, home: 'found' })
    expect(second.json).toEqual({ ...first.json, phrase: null })
    const wrong = await freehold(args, { env, input: 'not these words', home: 'wrong' })
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/no valid phrase/) })
  })

  it('behaviour: keys are never made twice', async () => {
    await freehold(['wallet', 'init', '--json'], { home: 'twice', env })
    const before = await readFile(join(folder, 'twice', 'vault.json'), 'utf8')
    const { code, stderr } = await freehold(['wallet', 'init'], { home: 'twice', env })
    expect(code).toBe(2)
    expect(stderr).toMatch(/already/)
    expect(await readFile(join(folder, 'twice', 'vault.json'), 'utf8')).toBe(before)
  })

  it('behaviour: a wrong passphrase, or none, is said clearly', async () => {
    await freehold(['wallet', 'init', '--json'], { home: 'locked', env })
    const offers = ['offers']
    const wrong = await freehold(offers, { home: 'locked', env: { FREEHOLD_PASSPHRASE: 'wrong' } })
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/passphrase is wrong/) })
    const none = await freehold(offers, { home: 'locked', env: { FREEHOLD_PASSPHRASE: '' } })
    expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/FREEHOLD_PASSPHRASE/) })
  })

  it('behaviour: what borrowing may cost is kept, shown and taken back', async () => {
    const limits = async (...args: string[]) =>
      (await freehold(['wallet', 'limits', '--json', ...args], { home: 'frugal' })).json
    const unsaid = {
      ...{ perRequest: null, perDay: null, perMillion: null, spentInADay: '0' },
      ...{ isSet: false, warm: null },
    }
    expect(await limits()).toEqual(unsaid)
    const none = { ...unsaid, isSet: true }
    const both = await limits('--per-request', '50', '--per-day', '900')
    expect(both).toEqual({ ...none, perRequest: '50', perDay: '900' })
    expect(await limits('--per-day', 'none')).toEqual({ ...none, perRequest: '50' })
    expect(await limits('--per-request', 'none')).toEqual(none)
    const early = await freehold(['wallet', 'limits', '--warm-channels', '2'], { home: 'frugal' })
    expect(early).toMatchObject({ code: 2, stderr: expect.stringMatching(/need a budget first/) })
    const warm = { total: '800', perLender: '200', channels: 8, lenders: ['/ip4/127.0.0.1/tcp/9'] }
    const lender = ['--warm-lender', '/ip4/127.0.0.1/tcp/9']
    expect(await limits('--warm-total', '800', ...lender)).toEqual({ ...none, warm })
    expect(await limits('--warm-total', 'none')).toEqual(none)
    const wrong = await freehold(['wallet', 'limits', '--per-day', '1.5'], { home: 'frugal' })
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/is no limit/) })
  })

  it('behaviour: lending without keys or without a chain says what to do', async () => {
    const keyless = await freehold(['lend', '--free'], { home: 'none', env })
    expect(keyless).toMatchObject({ code: 1, stderr: expect.stringMatching(/wallet init/) })
    const chainless = await freehold(['lend'], { home: 'none', env })
    expect(chainless).toMatchObject({ code: 2, stderr: expect.stringMatching(/--chain/) })
    const senseless = await freehold(['lend', '--chain', 'somewhere'], { home: 'none', env })
    expect(senseless).toMatchObject({ code: 2, stderr: expect.stringMatching(/names no chain/) })
  })
})

describe('freehold ledger and audit', () => {
  it('default', async () => {
    const { code, json } = await freehold(['ledger', '--json'], { home: 'fresh' })
    expect(code).toBe(0)
    const none = Object.fromEntries(
      ['due', 'answers', 'relayFee', 'held', 'lost', 'vouchers', 'settled', 'setOff'].map(
        (name) => [name, '0'],
      ),
    )
    expect(json).toEqual({
      ...{ borrowed: [], lent: [], channels: [], standing: [], costs: [] },
      ...{
        pays: { ...none, relayed: '0' },
        earns: { ...none, relayed: '0' },
        days: [],
        transactions: [],
      },
    })
  })

  it('behaviour: a receipt that is not there is said clearly', async () => {
    const { code, stderr } = await freehold(['audit', 'abcdef'], { home: 'fresh' })
    expect(code).toBe(2)
    expect(stderr).toMatch(/no receipt abcdef/)
  })
})

const hasScript = spawnSync('script', ['--version']).status === 0
describe.skipIf(!hasScript)(
  'freehold run in a terminal (skipped where script is not installed)',
  () => {
    it('default: chats; Ctrl-C stops the answer and not the chat, Ctrl-D leaves', async () => {
      const home = join(folder, 'chat')
      // No first run: nobody is asked whether to fetch a model.
      await mkdir(home)
      await writeFile(join(home, 'offered'), '')
      const command = `${process.execPath} --no-warnings ${MAIN} run --max-tokens 900`
      const child = spawn('script', ['-qefc', command, '/dev/null'], {
        env: { ...process.env, FREEHOLD_HOME: home, TERM: 'xterm' },
      })
      let shown = ''
      const more = new EventEmitter()
      child.stdout.on('data', (data: Buffer) => {
        shown += stripVTControlCharacters(data.toString())
        more.emit('more')
      })
      const seen = async (words: RegExp, from = 0): Promise<number> => {
        while (!words.test(shown.slice(from))) await once(more, 'more')
        return shown.length
      }
      const ready = await seen(/>>> $/)
      child.stdin.write('Tell me a long story about a whale\r')
      // A word of the answer, on the line after the question.
      const told = await seen(/whale[\r\n]+[^>]*\w{3}/, ready)
      child.stdin.write('\x03')
      const stopped = await seen(/>>> /, told)
      child.stdin.write('/show parameters\r')
      const listed = await seen(/max_tokens {2}900[\s\S]*>>> /, stopped)
      child.stdin.write('\x04')
      const [code] = await once(child, 'close')
      expect(code).toBe(0)
      expect(shown.slice(listed)).not.toMatch(/rror/)
      expect(shown).not.toMatch(/the engine is closed/)
      expect(await readFile(join(home, 'history'), 'utf8')).toBe(
        'Tell me a long story about a whale\n',
      )
    })

    it('behaviour: with FREEHOLD_NOHISTORY nothing of a chat is kept', async () => {
      const home = join(folder, 'forgetful')
      await mkdir(home)
      await writeFile(join(home, 'offered'), '')
      const command = `${process.execPath} --no-warnings ${MAIN} run`
      const child = spawn('script', ['-qefc', command, '/dev/null'], {
        env: { ...process.env, FREEHOLD_HOME: home, FREEHOLD_NOHISTORY: '1', TERM: 'xterm' },
      })
      child.stdin.write('What is the password of the owl?\r/bye\r')
      const [shown, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
      expect(code).toBe(0)
      expect(shown).toMatch(/owl/)
      const files = (await readdir(home, { recursive: true, withFileTypes: true })).filter(
        (entry) => entry.isFile() && !entry.parentPath.includes('compiled'),
      )
      expect(files.map(({ name }) => name)).not.toContain('history')
      for (const { parentPath, name } of files) {
        expect(await readFile(join(parentPath, name), 'latin1')).not.toContain(
          'password of the owl',
        )
      }
    })
  },
)

describe('freehold config, service and completion', () => {
  it('default: every setting is shown with what says so', async () => {
    const home = join(folder, 'configured')
    await mkdir(home)
    await writeFile(join(home, 'config.json'), '{"peers":["/ip4/127.0.0.1/tcp/1"]}')
    const { code, json, stdout } = await freehold(['config', 'show', '--json'], {
      home: 'configured',
      env: { FREEHOLD_PASSPHRASE: 'correct horse battery staple' },
    })
    expect(code).toBe(0)
    const settings = json as unknown as { name: string; value: unknown; origin: string }[]
    const found = Object.fromEntries(settings.map((one) => [one.name, one]))
    expect(found.models).toMatchObject({ value: join(home, 'models'), origin: 'FREEHOLD_HOME' })
    expect(found.peers?.origin).toBe(join(home, 'config.json'))
    expect(found.chain).toMatchObject({ value: null, origin: 'default' })
    expect(stdout).not.toMatch(/horse/)
  })

  it('behaviour: a service is shown before it is installed', async () => {
    const { code, stdout, stderr } = await freehold(['service', 'install', '--dry-run'])
    expect(code).toBe(0)
    expect(stdout).toContain('"serve"')
    expect(stderr).toMatch(/Would write .+\nWould run: /)
  })

  it('behaviour: shells complete commands, options and models', async () => {
    const complete = async (...words: string[]) =>
      (await freehold(['complete', '--', ...words])).stdout
    expect(await complete('wal')).toMatch(/^wallet\t/m)
    expect(await complete('run', '--sc')).toMatch(/^--scope\t/m)
    expect(await complete('run', 'acorn-')).toMatch(/^acorn-small\t/m)
    await freehold(['import', BUNDLED.acorn ?? '', 'quick:mine'])
    for (const command of ['run', 'show', 'rm', 'cp', 'fit', 'shrink', 'stop', 'lend', 'import']) {
      expect([command, await complete(command, 'qui')]).toEqual([
        command,
        expect.stringMatching(/^quick:mine\tstore$/m),
      ])
    }
    expect(await complete('embed', '--model', 'acorn-')).toMatch(/^acorn-small\tbundled/m)
    expect(await complete('ls')).toMatch(/^:4/)
    expect((await freehold(['completion', 'zsh'])).stdout).toMatch(/^#compdef freehold/)
  })
})

describe('freehold, asked badly', () => {
  it('default: each mistake is one sentence, without a stack, and its own status', async () => {
    const cases: [args: string[], code: number, said: RegExp][] = [
      [['run', 'qwen9:8b', 'Hello'], 1, /no model "qwen9:8b" here.*freehold run acorn "…"/],
      [['run', 'llama3.2'], 1, /no model "llama3.2" here/],
      [['run', './nowhere', 'hi'], 1, /nowhere cannot be read/],
      [['run', '--max-tokens', '1.5', 'Hello'], 2, /whole number from 1 to 16384/],
      [['import', 'nosuch.gguf'], 1, /model file .*nosuch.gguf cannot be read/],
      [['import', `${folder}/`], 1, /cannot be read: it is no file/],
      [['serve', 'nosuch.gguf', '--port', '0'], 1, /nosuch.gguf cannot be read/],
      [['shrink', BUNDLED.acorn ?? '', '--to', 'Q2_K', '--out', '/nowhere/x.gguf'], 1, /\/nowhere/],
      [
        ['shrink', BUNDLED.acorn ?? '', '--to', 'Q2_K', '--text', '/nowhere'],
        1,
        /\/nowhere cannot/,
      ],
    ]
    const outcomes = await Promise.all(cases.map(([args]) => freehold(args, { home: 'badly' })))
    for (const [index, [args, code, said]] of cases.entries()) {
      const { stdout, stderr, ...outcome } = outcomes[index] as Outcome
      expect({ args, code: outcome.code, stdout, stderr }).toEqual({
        ...{ args, code, stdout: '' },
        stderr: expect.stringMatching(said),
      })
      expect(stderr).not.toMatch(/^\s+at /m)
    }
  })
})
