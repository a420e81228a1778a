import { FreeholdError, ModelError } from '@freehold/core/errors'

const UNWRITABLE = new Set([
  'EROFS',
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'unable to open database file',
  'attempt to write a readonly database',
])

/** What the file system says, in words for the person. What is none of its errors stays as it is. */
export function storeError(error: unknown, folder: string): unknown {
  if (error instanceof FreeholdError) return error
  const { code, errstr, message, syscall } = error as NodeJS.ErrnoException & { errstr?: string }
  // SQLite, which holds our locks, has words of its own.
  if (code === 'ENOSPC' || code === 'EDQUOT' || errstr === 'database or disk is full') {
    return new ModelError({
      what: 'the disk is full',
      why: `no more can be written to ${folder}`,
      next: 'Free some space (freehold rm MODEL), or name another folder with --models; what was fetched is kept, and the same command goes on there',
      cause: error,
    })
  }
  const isReadOnly =
    UNWRITABLE.has(code ?? '') ||
    UNWRITABLE.has(errstr ?? '') ||
    // What Node says of a folder that cannot be made on a read-only disk.
    (code === 'ENOENT' && syscall === 'mkdir')
  if (isReadOnly) {
    return new ModelError({
      what: `the model store ${folder} cannot be written`,
      why: message,
      next: 'Models in it can be used all the same. To add or remove some, make it writable or name another folder with --models',
      cause: error,
    })
  }
  return error
}
