import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { buildApp } from '../packages/web/build.ts'

/** `npm run build:web`: the app as files that any host can serve, and `freehold serve` does. */
const OUT = fileURLToPath(new URL('../packages/web/dist', import.meta.url))

const { files, firstScripts } = await buildApp(OUT)
const sizes = firstScripts.map((path) => gzipSync(files.get(path) ?? '').length)
const total = sizes.reduce((sum, size) => sum + size, 0)
console.log(`${files.size} files in packages/web/dist`)
console.log(`first load: ${(total / 1000).toFixed(1)} kB of JavaScript, gzip`)
