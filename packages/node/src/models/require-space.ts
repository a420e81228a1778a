import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ModelError } from '@freehold/core/errors'

/** Left free for everybody else. */
const SPARE_BYTES = 16 * 1024 * 1024

/** Says so before hours of work, rather than after. @throws ModelError when the disk of `path` is too full */
export async function requireSpace(
  path: string,
  neededBytes: number,
  how: 'fetched' | 'written',
): Promise<void> {
  const disk = await statfs(dirname(path)).catch(() => undefined)
  if (disk === undefined) return
  const freeBytes = disk.bavail * disk.bsize
  if (neededBytes + SPARE_BYTES <= freeBytes || neededBytes === 0) return
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`
  throw new ModelError({
    what: 'the disk has too little space',
    why: `${megabytes(neededBytes)} are to be ${how} and ${megabytes(freeBytes)} are free in ${dirname(path)}`,
    next:
      how === 'fetched'
        ? 'Free some (freehold rm MODEL), or name a folder on another disk with --models'
        : 'Free some (freehold rm MODEL), or name a file on another disk with --out',
  })
}
