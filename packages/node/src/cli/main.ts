#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { pathsOf, readEnvironment } from '../config.ts'

// What is loaded after this, here and in processes that this one starts, is compiled once, not at
// every start. NODE_DISABLE_COMPILE_CACHE forbids it; where nothing can be written it goes without.
process.env.NODE_COMPILE_CACHE ||= join(pathsOf(readEnvironment()).cache, 'compiled')
enableCompileCache(process.env.NODE_COMPILE_CACHE)

// A reader that went away (`freehold … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})
const { runProgram } = await import('./run-program.ts')
process.exit(await runProgram(process.argv.slice(2)))
