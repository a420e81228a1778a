import { FreeholdError, ModelError } from '@freehold/core/errors'

/** What the file system says, in words for the person. What is none of its errors stays as it is. */
export function storeError(error: unknown, folder: string): unknown {
  if (error instanceof FreeholdError) return error
  const { code, errstr, message } = error as NodeJS.ErrnoException & { errstr?: string }
  // SQLite, which holds our locks, has words of its own.
  if (code === 'ENOSPC' || code === 'EDQUOT' || errstr === 'database or disk is full') {
    return new ModelError({
      what: 'the disk is full',
      why: `no more can be written to ${folder}`,
      next: 'Free some space (freehold rm MODEL), or name another folder with --models; what was fetched is kept, and the same command goes on there',
      cause: error,
    })
  }
  const isReadOnly = ['EROFS', 'EACCES', 'EPERM', 'ENOTDIR'].includes(code ?? '')
  if (isReadOnly || errstr === 'unable to open database file') {
    return new ModelError({
      what: `the model store ${folder} cannot be written`,
      why: message,
      next: 'Models in it can be used all the same. To add or remove some, make it writable or name another folder with --models',
      cause: error,
    })
  }
  return error
}
