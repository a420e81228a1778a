import { IdentityError } from '../errors.ts'
import { messagesOver } from '../mesh/frames-over-stream.ts'
import { WEIGHTS_PROTOCOL } from '../mesh/protocols.ts'
import { MAX_WEIGHTS_REQUEST_BYTES } from '../wire/weights-messages.ts'
import type { Parts } from './parts.ts'
import { createSeedAllowance } from './seed-allowance.ts'
import { DEFAULT_SEED_PER_DAY } from './seed-limits.ts'
import { createWeightsDesk, type WeightsDeskInit } from './weights-desk.ts'

export interface SeedInit extends WeightsDeskInit {
  /** Bytes that may leave in a day. @default 20 GiB */
  bytesPerDay?: number | undefined
  /** Quicker than portable code. */
  hash?: ((data: Uint8Array) => Uint8Array) | undefined
}

export interface SeedService {
  /** Starts handing models out. @throws IdentityError without keys */
  start(init: SeedInit): Promise<void>
}

/** Whoever pulls needs each byte once, and may have to begin again. */
const SHARE_OF_ONE = 2

export function createSeedService(parts: Parts): SeedService {
  const { mesh, clock, deadlines, tables } = parts
  return {
    start: async ({ bytesPerDay = DEFAULT_SEED_PER_DAY, hash, ...init }) => {
      if (mesh === null) throw new IdentityError({ what: 'seeding needs keys and a network' })
      const files = init.models.flatMap((model) => model.files)
      const wholeBytes = files.reduce((sum, { file }) => sum + file.sizeBytes, 0)
      const allowance = createSeedAllowance(
        { perDay: bytesPerDay, perDevice: SHARE_OF_ONE * wholeBytes + MARGIN_BYTES },
        { table: tables.seeded, clock },
      )
      const desk = createWeightsDesk(init, { clock, allowance, deadlines, hash })
      await mesh.handle(WEIGHTS_PROTOCOL, (stream, peer) =>
        desk.serve(messagesOver(stream, MAX_WEIGHTS_REQUEST_BYTES), peer),
      )
    },
  }
}

/** Lists and last chunks are counted as whole ones. */
const MARGIN_BYTES = 64 * 1024 * 1024
