import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LineKind } from './slow-line.ts'

const PROGRAM = fileURLToPath(new URL('slow-line-process.ts', import.meta.url))

/** A forwarding program that runs. Disposed of, its ends are gone, as if the cable were cut. */
export type RunningLine = AsyncDisposable

/** @param ends names of the two interfaces, made in `namespace` */
export async function startLine(
  namespace: string,
  ends: readonly [string, string],
  kind: LineKind,
): Promise<RunningLine> {
  const command = ['netns', 'exec', namespace, process.execPath, '--no-warnings', PROGRAM]
  const child = spawn('ip', [...command, ...ends, JSON.stringify(kind)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exit = once(child, 'exit')
  const [word] = await Promise.race([once(child, 'message'), exit])
  if (word !== 'there') throw new Error(`the line ended with ${word}`)
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exit
    },
  }
}
