import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'scripts/**/*.test.ts',
      'tests/**/*.test.ts',
      'bench/{network,peers,serve}/*.test.ts',
    ],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A device may be slow; a poll ends as soon as what it waits for is there.
    expect: { poll: { timeout: 30_000 } },
    // No test leaves a process behind; background.test.ts starts some and ends them.
    env: { FREEHOLD_NORESIDENT: '1' },
  },
})
