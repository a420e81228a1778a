import { say, saySize } from '../words/words.ts'

export interface Space {
  usedBytes: number
  quotaBytes: number
  isKept: boolean
}

/** What this origin takes of the device, and whether the browser promised to keep it. */
export async function lookAtSpace(): Promise<Space> {
  const { usage = 0, quota = 0 } = await navigator.storage.estimate()
  return { usedBytes: usage, quotaBytes: quota, isKept: await navigator.storage.persisted() }
}

/** Asks the browser to keep what comes, and whether it fits. @throws Error in words when it does not */
export async function makeRoom(sizeBytes: number): Promise<void> {
  if (!(await navigator.storage.persisted())) await navigator.storage.persist()
  const { usedBytes, quotaBytes } = await lookAtSpace()
  const free = quotaBytes - usedBytes
  if (sizeBytes <= free) return
  throw new Error(say('notEnoughRoom', { size: saySize(sizeBytes), free: saySize(free) }))
}
