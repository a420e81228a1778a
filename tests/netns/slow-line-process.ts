/**
 * The forwarding program between two namespaces: `slow-line-process.ts NAME NAME KIND-JSON`. Makes both ends as interfaces
 * here, says when they are there, and carries Ethernet frames from one to the other: late, at a rate, and not all of them.
 */
import { read, writeSync } from 'node:fs'
import { seededDice } from '../../packages/node/src/demo/dice.ts'
import { createLine, type LineKind } from './slow-line.ts'
import { openTap } from './tap.ts'

const FRAME_BYTES = 2_048
const [near = '', far = '', kind = '{}'] = process.argv.slice(2)
const line = JSON.parse(kind) as LineKind
// Reads block in threads of their own: nothing gentler ends them.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
/** Finer than the system's clock of whole milliseconds. */
const clock = {
  now: () => performance.now(),
  after: (ms: number, work: () => void) => {
    const timer = setTimeout(work, ms)
    return () => clearTimeout(timer)
  },
}

function carry(from: number, to: number, seed: string): void {
  const dice = seededDice(seed)
  const deliver = (frame: Buffer) => {
    try {
      writeSync(to, frame)
    } catch {
      // An end that is down or full takes no frame, as an unplugged one.
    }
  }
  const take = createLine(line, { clock, dice, deliver })
  const next = () => {
    read(from, Buffer.alloc(FRAME_BYTES), 0, FRAME_BYTES, null, (error, bytes, frame) => {
      // Until it is up there is nothing to read.
      if (error) return void setTimeout(next, 5)
      take(frame.subarray(0, bytes))
      next()
    })
  }
  next()
}

const ends = [openTap(near), openTap(far)] as const
carry(ends[0], ends[1], `${near} out`)
carry(ends[1], ends[0], `${near} in`)
process.send?.('there')
