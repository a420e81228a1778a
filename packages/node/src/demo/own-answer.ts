import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inetSockets } from './inet-sockets.ts'
import { runProgram } from './processes.ts'

const WITNESS = fileURLToPath(new URL('./socket-witness.ts', import.meta.url))

export interface OwnAnswer {
  model: string
  modelId: string
  tokens: number
  tokensPerSecond: number
  /** Network sockets and name look-ups of the answering processes: by Node's own count, and as the kernel shows them. */
  socketsOpened: number
  text: string
}

/** Answers in a process of its own and watches it for network sockets. */
export async function answerAlone(init: {
  folder: string
  model: string
  prompt: string
  seed: string
}): Promise<OwnAnswer> {
  const witness = join(init.folder, 'sockets.txt')
  const seen = new Set<string>()
  const done = new AbortController()
  let watching: Promise<void> | undefined
  const args = [
    'run',
    init.model,
    '--json',
    '--no-resident',
    '--seed',
    init.seed,
    '--',
    init.prompt,
  ]
  try {
    const said = (await runProgram(args, {
      home: join(init.folder, 'own'),
      passphrase: '',
      nodeFlags: ['--import', WITNESS],
      env: { FREEHOLD_SOCKET_WITNESS: witness },
      onStart: (pid) => {
        watching = watch(pid, seen, done.signal)
      },
    })) as Omit<OwnAnswer, 'socketsOpened'>
    const made = (await readFile(witness, 'utf8').catch(() => '')).split('\n').filter(Boolean)
    const { model, modelId, tokens, tokensPerSecond, text } = said
    const socketsOpened = Math.max(made.length, seen.size)
    return { model, modelId, tokens, tokensPerSecond, socketsOpened, text }
  } finally {
    done.abort()
    await watching
  }
}

/** Looks at a process every few milliseconds and remembers each network socket that it ever held. */
async function watch(pid: number, seen: Set<string>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const inode of await inetSockets(pid)) seen.add(inode)
    await setTimeout(20, undefined, { signal }).catch(() => {})
  }
}
