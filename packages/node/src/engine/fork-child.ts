import { type ChildProcess, fork } from 'node:child_process'
import { LEAN_MALLOC, ONE_ARENA } from '../lean-process.ts'

/** What the engine's child has queued for native code is done in that order, one after the other. */
export const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' } as const
/** A child may read files, load native code and test that in a process of its own; no more. */
const PERMISSIONS = ['--permission', '--allow-fs-read=*', '--allow-addons', '--allow-child-process']
const NO_WARNINGS = ['--disable-warning=ExperimentalWarning', '--disable-warning=SecurityWarning']
/** What children leave to the collector is small and short-lived: with less room they take 20 MB less. */
const SMALL_HEAP = ['--max-semi-space-size=2', '--v8-pool-size=1']

/**
 * Starts one of our child scripts. Its JavaScript can write no file and, from Node 26 on, open no
 * socket; its output comes through pipes.
 */
export function forkChild(
  name: 'child' | 'measure-child' | 'native-tool-child',
  init: { env?: Record<string, string> | undefined } = {},
): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fork(new URL(`./${name}.${extension}`, import.meta.url), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [...NO_WARNINGS, ...SMALL_HEAP, ...PERMISSIONS],
    env: {
      ...cleanEnvironment(),
      ...ONE_ARENA,
      ...(name === 'child' ? ONE_THREAD : {}),
      ...init.env,
    },
  })
}

/** The environment without what is meant for this process, or would steer node-llama-cpp behind our back. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) =>
      name !== 'NODE_OPTIONS' && !name.startsWith('NODE_LLAMA_CPP_') && !(name in LEAN_MALLOC),
  )
  // Without this, an abort in ggml would start a debugger to print a stack.
  return { ...Object.fromEntries(entries), GGML_NO_BACKTRACE: '1' }
}
