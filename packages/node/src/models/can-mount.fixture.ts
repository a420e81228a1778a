import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'

/**
 * Whether a test may mount a small disk of its own, in a namespace of its own. It is tried with a real
 * mount: there are machines that grant the namespace and refuse the mount.
 */
export function canMount(): boolean {
  const script = 'mount -t tmpfs -o size=1m tmpfs "$1" && mount -o remount,ro "$1"'
  return spawnSync('unshare', ['-rm', 'sh', '-c', script, 'sh', tmpdir()]).status === 0
}
