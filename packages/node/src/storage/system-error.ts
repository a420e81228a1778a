import { FreeholdError } from '@freehold/core/errors'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'database or disk is full'])
const FORBIDDEN = new Set([
  'EROFS',
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'unable to open database file',
  'attempt to write a readonly database',
])

/**
 * What the file system of a person's machine says, as a sentence: a full or read-only disk is no defect
 * of ours. @returns null for all other errors
 */
export function systemError(error: unknown): FreeholdError | null {
  if (!(error instanceof Error) || error instanceof FreeholdError) return null
  const {
    code = '',
    errstr = '',
    path,
    syscall,
  } = error as NodeJS.ErrnoException & {
    /** SQLite has words of its own. */
    errstr?: string
  }
  const place = path === undefined ? '' : ` at ${path}`
  const why = errstr || error.message
  if (FULL.has(code) || FULL.has(errstr)) {
    const next = 'Free some space, or name a folder on another disk with FREEHOLD_HOME'
    return new FreeholdError({ what: `the disk is full${place}`, why, next, cause: error })
  }
  // What Node says of a folder that cannot be made on a read-only disk.
  const isFolder = code === 'ENOENT' && syscall === 'mkdir'
  if (FORBIDDEN.has(code) || FORBIDDEN.has(errstr) || isFolder) {
    const what = `the disk does not allow this${place}`
    const next = 'Change who may write there, or name another folder with FREEHOLD_HOME'
    return new FreeholdError({ what, why, next, cause: error })
  }
  if (path === undefined || !/^E[A-Z]+$/.test(code)) return null
  return new FreeholdError({ what: `${path} cannot be used`, why, cause: error })
}
