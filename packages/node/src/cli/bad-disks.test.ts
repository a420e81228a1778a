import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUNDLED } from '../models/acorn.ts'
import { canMount } from '../models/can-mount.fixture.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let disk: string
beforeAll(async () => {
  disk = join(await mkdtemp(join(tmpdir(), 'freehold-disks-')), 'disk')
  await mkdir(disk)
})
afterAll(async () => {
  await rm(join(disk, '..'), { recursive: true, force: true })
})

/** Runs each command line with its home on a disk of 1 MB of its own. @param spoil makes the disk unusable */
async function onDisk(spoil: string, ...args: readonly string[]) {
  const mount = `mount -t tmpfs -o size=1m tmpfs '${disk}' && ${spoil} && exec "$@"`
  const program = [process.execPath, '--no-warnings', MAIN, ...args]
  const child = spawn('unshare', ['-rm', 'sh', '-c', mount, 'sh', ...program], {
    env: { ...process.env, FREEHOLD_HOME: join(disk, 'home'), FREEHOLD_NORESIDENT: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  expect(stderr).not.toMatch(/^\s+at /m)
  return { code, stdout, stderr }
}

describe.skipIf(!canMount())(
  'a disk that is full or read-only (skipped where nothing can be mounted)',
  { timeout: 240_000 },
  () => {
    const full = `(head -c 2000000 /dev/zero > '${'$DISK'}' 2>/dev/null || true)`
    const spoils = () => ({
      full: full.replace('$DISK', join(disk, 'fill')),
      'read-only': `mount -o remount,ro '${disk}'`,
    })

    it('default: the bundled model answers all the same', async () => {
      for (const [kind, spoil] of Object.entries(spoils())) {
        const { code, stdout, stderr } = await onDisk(
          spoil,
          'run',
          '--temperature',
          '0',
          'What is 7 plus 5?',
        )
        expect({ kind, code, stdout, stderr }).toEqual({
          kind,
          code: 0,
          stdout: expect.stringContaining('12'),
          stderr: '',
        })
      }
    })

    it('behaviour: what must be written is refused in one sentence', async () => {
      const acorn = BUNDLED.acorn ?? ''
      const cases: [kind: 'full' | 'read-only', args: string[], said: RegExp][] = [
        ['full', ['serve', '--port', '0'], /the disk is full/],
        ['read-only', ['serve', '--port', '0'], /does not allow this at .*home/],
        ['full', ['import', acorn], /the disk is full.*--models/],
        ['read-only', ['import', acorn], /cannot be written.*--models/],
        [
          'full',
          ['shrink', acorn, '--to', 'Q2_K', '--no-measure', '--out', join(disk, 'x.gguf')],
          /too little space: 2 MB are to be written/,
        ],
        [
          'read-only',
          ['shrink', acorn, '--to', 'Q2_K', '--out', join(disk, 'x.gguf')],
          /does not allow this/,
        ],
        ['read-only', ['models', '--write'], /does not allow this/],
      ]
      for (const [kind, args, said] of cases) {
        const { code, stdout, stderr } = await onDisk(spoils()[kind], ...args)
        expect({ kind, args, code, stdout, stderr }).toEqual({
          kind,
          args,
          code: 1,
          stdout: '',
          stderr: expect.stringMatching(said),
        })
      }
    })
  },
)
