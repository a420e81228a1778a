import { glob, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** Packages that a package may import. */
const PACKAGES: Record<string, readonly string[]> = {
  contracts: [],
  core: ['contracts'],
  node: ['core', 'contracts'],
  web: ['core'],
}

/** Folders of core that a folder of core may not import. Those that are not named are free. */
const CORE_FORBIDDEN: Record<string, readonly string[]> = {
  wire: ['audit', 'clearing', 'device', 'identity', 'lending', 'mesh', 'routing', 'sampling'],
  sampling: ['audit', 'clearing', 'device', 'identity', 'lending', 'mesh', 'routing', 'wire'],
  identity: ['audit', 'clearing', 'device', 'lending', 'mesh', 'routing', 'sampling'],
  clearing: ['audit', 'device', 'lending', 'mesh', 'routing'],
  audit: ['clearing', 'device', 'mesh', 'routing'],
  routing: ['audit', 'clearing', 'device', 'lending', 'mesh'],
  lending: ['audit', 'device', 'mesh', 'routing'],
  mesh: ['audit', 'clearing', 'device', 'routing'],
}

/** Packages from npm that only some folders of core may know. */
const CORE_KNOWS: Record<string, readonly string[]> = {
  libp2p: ['mesh'],
  '@libp2p/': ['mesh'],
  viem: ['clearing', 'device', 'identity'],
  '@freehold/contracts': ['clearing'],
}

const IMPORT = /(?:from|import)\s*\(?\s*'([^']+)'/g

/** Checks who imports whom in the house. @returns a sentence for each import that may not be */
export async function checkHouse(): Promise<string[]> {
  const problems: string[] = []
  for await (const file of glob('packages/*/src/**/*.{ts,tsx}', { cwd: ROOT })) {
    const text = await readFile(join(ROOT, file), 'utf8')
    for (const [, target = ''] of text.matchAll(IMPORT)) {
      const why = judge(file, target)
      if (why !== null) problems.push(`${file} imports ${target}: ${why}`)
    }
  }
  return problems
}

function judge(file: string, target: string): string | null {
  const [, own = '', , folder = ''] = file.split('/')
  const isTest = /\.(test|compliance)\.ts$/.test(file)
  if (target.startsWith('.') && !join(dirname(file), target).startsWith(`packages/${own}/`)) {
    return 'packages know each other by name'
  }
  if (target.startsWith('@freehold/')) {
    const other = target.split('/')[1] ?? ''
    if (!PACKAGES[own]?.includes(other)) return `${own} may not know ${other}`
  }
  if (own === 'web' && target.startsWith('node:') && !/\.(test|fixture)\.ts$/.test(file)) {
    return 'a page has no Node'
  }
  if (own !== 'core') return null
  if (target.startsWith('node:') && !isTest) return 'core runs in browsers too'
  for (const [name, folders] of Object.entries(CORE_KNOWS)) {
    const isIt = target === name || target.startsWith(name.endsWith('/') ? name : `${name}/`)
    if (isIt && !isTest && !folders.includes(folder)) return `only ${folders.join(', ')} know it`
  }
  if (!target.startsWith('.') || isTest) return null
  const other = normalize(join(dirname(file), target)).split('/')[3] ?? ''
  return CORE_FORBIDDEN[folder]?.includes(other) ? `${folder} may not know ${other}` : null
}
