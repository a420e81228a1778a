import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** Whether a terminal can be had here. */
export const hasScript = spawnSync('script', ['--version']).status === 0

export interface TypedInit {
  env: Record<string, string>
  /** Called with what ends the program. */
  onStart?: (end: () => boolean) => void
}

/**
 * Runs freehold in a terminal and types `keys` once `words` are shown.
 * @returns status, and all that was shown: as `shown` without its control characters
 */
export async function typed(
  args: string,
  { env, onStart }: TypedInit,
  ...steps: readonly (readonly [words: RegExp, keys: string])[]
): Promise<{ code: number | null; shown: string; raw: string }> {
  const command = `stty cols 100 rows 40; ${process.execPath} --no-warnings ${MAIN} ${args}`
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', ...env },
  })
  let raw = ''
  const more = new EventEmitter()
  child.stdout.on('data', (data: Buffer) => {
    raw += data.toString()
    more.emit('more')
  })
  const closed = once(child, 'close')
  onStart?.(() => child.kill())
  for (const [words, keys] of steps) {
    while (!words.test(stripVTControlCharacters(raw))) await once(more, 'more')
    child.stdin.write(keys)
  }
  const [code] = await closed
  return { code, shown: stripVTControlCharacters(raw), raw }
}
