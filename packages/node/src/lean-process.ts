/**
 * How Node is told to start a process that serves. Reading a vocabulary makes its young garbage grow to
 * what it may be, and there it stays: with this a 0.5 B model takes 67 MB less, and starts as fast.
 * scripts/launch.mjs says the same.
 */
export const LEAN_NODE = ['--no-warnings', '--max-semi-space-size=8'] as const

/** glibc gives each thread an arena that it never gives back; with one, a 0.5 B model takes 45 MB less. */
export const ONE_ARENA = { MALLOC_ARENA_MAX: '1' } as const

/**
 * Environment of a process that serves: what it frees goes back to the system at once, 28 MB of it
 * after a few answers. The engine's process computes with blocks of that size and keeps them.
 * scripts/launch.mjs says the same. Other C libraries do not read it.
 */
export const LEAN_MALLOC = {
  ...ONE_ARENA,
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '65536',
} as const
