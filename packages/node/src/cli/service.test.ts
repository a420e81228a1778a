import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let home: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-service-'))
  await mkdir(join(home, 'bin'))
  await put('systemctl', 'echo "$@"')
})
afterEach(async () => {
  await rm(home, { recursive: true, force: true })
})

/** A service manager that says what it is told to: a real one starts with a session, not with a test. */
async function put(name: string, script: string): Promise<void> {
  await writeFile(join(home, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

async function service(...args: readonly string[]) {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, 'service', ...args], {
    env: {
      HOME: home,
      FREEHOLD_MODELS: join(home, 'models'),
      FREEHOLD_API_TOKEN: 'secret',
      PATH: `${join(home, 'bin')}:${process.env.PATH}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  const json = () =>
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  return { code, stdout, stderr, json }
}

const UNIT = '.config/systemd/user/freehold.service'

describe.skipIf(process.platform !== 'linux')(
  'freehold service (skipped where systemd is not)',
  () => {
    it('default: installs, says how it is and shows what it says, as JSON too', async () => {
      const dry = await service('install', '--dry-run', '--json')
      expect(dry.json()).toEqual([
        {
          path: join(home, UNIT),
          text: expect.stringContaining('"serve"'),
          commands: ['systemctl --user daemon-reload', 'systemctl --user enable --now freehold'],
          isInstalled: false,
        },
      ])
      await expect(readFile(join(home, UNIT))).rejects.toThrow(/ENOENT/)
      const installed = await service('install', '--json')
      expect(installed).toMatchObject({
        code: 0,
        stderr: '--user daemon-reload\n--user enable --now freehold\n',
      })
      const [{ text: unit, isInstalled }] = installed.json()
      expect(isInstalled).toBe(true)
      expect(await readFile(join(home, UNIT), 'utf8')).toBe(unit)
      expect(unit).toContain(`Environment="FREEHOLD_MODELS=${join(home, 'models')}"`)
      expect(unit).not.toContain('secret')
      // It may write wherever a device does.
      const own = ['.local/share/freehold', '.config/freehold', '.local/state/freehold', 'models']
      for (const folder of own) {
        expect(unit).toContain(`"-${join(home, folder)}"`)
        expect((await stat(join(home, folder))).isDirectory()).toBe(true)
      }

      await put('systemctl', 'echo LoadState=loaded; echo ActiveState=active; echo MainPID=42')
      const status = await service('status', '--json')
      expect(status.code).toBe(0)
      expect(status.json()).toEqual([{ state: 'active', isRunning: true, pid: 42 }])
      await put('journalctl', 'echo "one \\"line\\""; echo two')
      const logs = await service('logs', '--json')
      expect(logs.json()).toEqual([{ line: 'one "line"' }, { line: 'two' }])
    })

    it('behaviour: what does not run ends with 1, and words are the service manager’s', async () => {
      await put('systemctl', 'echo LoadState=not-found; echo ActiveState=inactive; echo MainPID=0')
      const status = await service('status', '--json')
      expect(status.code).toBe(1)
      expect(status.json()).toEqual([{ state: null, isRunning: false, pid: null }])
      await put('systemctl', 'echo "Unit freehold.service could not be found." >&2; exit 4')
      const words = await service('status')
      expect(words).toMatchObject({
        code: 1,
        stdout: '',
        stderr: 'Unit freehold.service could not be found.\n',
      })
    })

    it('behaviour: what cannot be started is said clearly, as JSON too', async () => {
      await put('systemctl', 'echo "no session bus" >&2; exit 1')
      const failed = await service('install', '--json')
      expect(failed.code).toBe(1)
      expect(failed.json()).toEqual([
        {
          error: {
            name: 'FreeholdError',
            message: expect.stringMatching(
              /is written, and the service is not started.*daemon-reload/,
            ),
          },
        },
      ])
      expect(failed.stderr).toMatch(/no session bus\nfreehold: /)
      expect((await service('install')).code).toBe(1)
    })
  },
)
