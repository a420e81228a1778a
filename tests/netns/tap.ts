/** Ethernet frames of a network interface, as a program reads and writes them: Linux’s TAP, which needs root. */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

/** From linux/if_tun.h: an ioctl that makes an interface, with Ethernet headers and nothing before them. */
const TUNSETIFF = 0x400454ca
const IFF_TAP = 0x0002
const IFF_NO_PI = 0x1000
/** `struct ifreq`: 16 bytes of name, then flags. */
const IFREQ_BYTES = 40
const IFREQ_FLAGS = 16

/**
 * Makes an interface in this process's namespace. It may be moved to another one afterwards, and is gone with this process.
 * @returns a file descriptor: each read gives one frame, each write sends one; reads block
 */
export function openTap(name: string): number {
  const ioctl = koffi
    .load('libc.so.6')
    .func('int ioctl(int fd, unsigned long request, uint8_t *argument)')
  const fd = openSync('/dev/net/tun', 'r+')
  const request = Buffer.alloc(IFREQ_BYTES)
  request.write(name)
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI, IFREQ_FLAGS)
  if (ioctl(fd, TUNSETIFF, request) === 0) return fd
  closeSync(fd)
  throw new Error(`the interface ${name} cannot be made`)
}
