import { UsageError } from '@freehold/core/errors'
import { type Command, InvalidArgumentError } from 'commander'
import { hubOf, readEnvironment, readSettings } from '../../config.ts'
import { BUNDLED } from '../../models/acorn.ts'
import { parseModelName } from '../../models/name.ts'
import { type PullProgress, pull, useProxies } from '../../models/pull.ts'
import type { Swarm } from '../../models/pull-from-peers.ts'
import { nameOf, storableName } from '../../models/store.ts'
import { openCliLibrary } from '../cli-library.ts'
import {
  add,
  cliPaths,
  interruptSignal,
  logger,
  type ModelOptions,
  withModelOptions,
} from '../context.ts'
import { formatDuration } from '../format.ts'
import { printJson, safe, say } from '../output.ts'
import { createProgress } from '../progress.ts'

interface PullOptions extends ModelOptions {
  as?: string
  peer?: string[]
  peers?: boolean
  peerRate?: number
}

export function pullCommand(command: Command): void {
  command
    .argument(
      '<model>',
      'hf.co/USER/REPO[:QUANT], hf:USER/REPO/FILE.gguf[#BRANCH], ollama.com/library/MODEL[:TAG], an https address or sha256:DIGEST',
    )
    .option('--as <name>', 'store it under this name')
    .option('--peer <address>', 'a peer to ask before the host; again for more', add, [])
    .option('--no-peers', 'ask no peer: neither the known ones nor those of the settings')
    .option('--peer-rate <bytes>', 'bytes a second that peers may send, all together', bytesRate)
    .addHelpText(
      'after',
      '\nHF_TOKEN opens what needs an account, HF_ENDPOINT names another hub, HTTPS_PROXY a proxy.',
    )
    .action(async (model: string, options: PullOptions) => {
      await pullModel(model, options, interruptSignal())
    })
  withModelOptions(command)
}

/** Fetches a model, showing how far it is. @returns its name */
export async function pullModel(
  text: string,
  options: PullOptions,
  signal: AbortSignal,
): Promise<string> {
  if (Object.hasOwn(BUNDLED, text.toLowerCase())) {
    throw new UsageError({ what: `${text} comes with Freehold: there is nothing to fetch` })
  }
  const library = openCliLibrary(options)
  const shown = options.json ? jsonProgress() : lineProgress()
  const endProxies = useProxies()
  try {
    await using swarm = await openCliSwarm(options)
    const { model, isUpToDate } = await pull(
      text,
      {
        ...hubOf(await readSettings(cliPaths(options).config), readEnvironment()),
        as: options.as === undefined ? undefined : storableName(parseModelName(options.as)),
        onProgress: (progress) => shown.onProgress(progress),
        signal,
      },
      { library, swarm: swarm ?? undefined },
    )
    shown.end()
    const name = nameOf(model)
    if (options.json) {
      printJson({ status: 'success', name, id: model.modelId, isUpToDate })
    } else {
      say(isUpToDate ? `${name} is up to date` : `${name} is here. Try: freehold run ${name}`)
    }
    return name
  } catch (error) {
    shown.end()
    if (signal.aborted && !options.json) {
      say('Interrupted. What was fetched is kept: the same command goes on there')
    }
    throw error
  } finally {
    endProxies()
  }
}

/** Peers to pull from: those that are named, those of the settings, and those that were met. */
async function openCliSwarm(options: PullOptions): Promise<(Swarm & AsyncDisposable) | null> {
  if (options.peers === false) return null
  const paths = cliPaths(options)
  const { peers = [] } = await readSettings(paths.config)
  const { openSwarm } = await import('../../device/open-swarm.ts')
  return openSwarm({
    paths,
    addresses: [...(options.peer ?? []), ...peers],
    bytesPerSecond: options.peerRate ?? null,
    log: logger(readEnvironment().log),
  })
}

function bytesRate(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1) return value
  throw new InvalidArgumentError('It is a whole number of bytes.')
}

interface ShownProgress {
  onProgress(progress: PullProgress): void
  end(): void
}

function lineProgress(): ShownProgress {
  const progress = createProgress()
  let last = ''
  /** The same sentence once, however many connections have it to say. */
  const sayOnce = (text: string) => {
    if (text !== last) progress.say(text)
    last = text
  }
  return {
    end: () => progress.end(),
    onProgress: (event) => {
      switch (event.status) {
        case 'asking':
          break
        case 'waiting':
          sayOnce(`Another process is fetching ${safe(event.file)}: waiting for it`)
          break
        case 'retrying': {
          const why = safe(event.why)
          sayOnce(
            `${why[0]?.toUpperCase()}${why.slice(1)}: again in ${formatDuration(event.inMs / 1_000)}`,
          )
          break
        }
        default:
          progress.show(
            `${event.status} ${safe(event.file).slice(0, 40)}`,
            event.completedBytes,
            event.totalBytes,
          )
      }
    },
  }
}

/** A line for each percent is enough for a program. */
function jsonProgress(): ShownProgress {
  let last = ''
  return {
    end: () => {},
    onProgress: (event) => {
      const part =
        'totalBytes' in event ? Math.floor((100 * event.completedBytes) / event.totalBytes) : ''
      const key = [event.status, 'file' in event ? event.file : '', part].join()
      if (key !== last || event.status === 'retrying') printJson(event)
      last = key
    },
  }
}
