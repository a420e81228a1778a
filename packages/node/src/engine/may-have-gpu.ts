import { existsSync } from 'node:fs'

/** What a graphics driver of Linux shows itself as, or Windows’ inside of it. */
const DEVICES = ['/dev/nvidiactl', '/dev/kfd', '/dev/dri', '/dev/dxg']

/** Whether a GPU with memory of its own may be here. Apple's share the memory of the CPU. */
export function mayHaveGpu(): boolean {
  return process.platform === 'win32' || DEVICES.some((path) => existsSync(path))
}
