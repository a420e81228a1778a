#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { pathsOf, readEnvironment } from '../config.ts'

// What is loaded after this, here and in processes that this one starts, is compiled once, not at
// every start. NODE_DISABLE_COMPILE_CACHE forbids it; where nothing can be written it goes without.
process.env.NODE_COMPILE_CACHE ||= join(pathsOf(readEnvironment()).cache, 'compiled')
enableCompileCache(process.env.NODE_COMPILE_CACHE)

// Talk that nobody reads any more ends no work.
process.stderr.on('error', () => {})
// A reader of data that went away (`freehold … | head`) is no failure. What runs is ended as by an
// interrupt, so that it leaves nothing behind.
let isReaderGone = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (isReaderGone) return
  isReaderGone = error.code === 'EPIPE'
  if (!isReaderGone) process.exit(1)
  if (!process.emit('SIGTERM', 'SIGTERM')) process.exit(0)
})
// A deadline is a timer that keeps no process alive: one that waits for it alone would end with 13.
setInterval(() => {}, 2 ** 30)
const { runProgram } = await import('./run-program.ts')
const status = await runProgram(process.argv.slice(2))
process.exit(isReaderGone && status === 130 ? 0 : status)
