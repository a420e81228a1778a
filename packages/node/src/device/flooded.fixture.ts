/** A lender and seeder in a process of its own, whose owner asks it over IPC while others flood it. */
import { toHex } from '@freehold/core/bytes'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { pathsOf } from '../config.ts'
import { seededFile } from '../models/seeder.fixture.ts'
import { createBareModels } from '../models/store.fixture.ts'
import { openDevice } from './open-device.ts'
import { MODEL, TCP, toyEngine } from './town.fixture.ts'

/** What somebody outside knows of it. */
export interface Flooded {
  address: string
  modelId: string
  manifestHash: string
  /** Of the file that it seeds. */
  sha256: string
}

/** What the owner hears: the answer's text, and what the process holds and cannot let go of. */
export interface OwnersAnswer {
  text: string
  heldBytes: number
}

async function main([home = '']: string[]): Promise<void> {
  const device = await openDevice({
    paths: pathsOf({ home }),
    phrase: createPhrase(systemRandom),
    listen: [TCP],
    engine: toyEngine(),
    models: createBareModels(),
  })
  const lending = await device.lending.start({ models: [MODEL], payment: null })
  const file = seededFile(new Uint8Array(8 << 20))
  await device.seeding.start({ models: [{ modelId: file.file.sha256, files: [file] }] })
  // Nobody may pair without it, so nobody could be flooded with it either.
  const confirm = async () => false
  const { paired } = await device.pairing.show({ as: 'friend', name: 'A friend', confirm })
  paired.catch(() => {})
  const offer = await lending.offer()
  const answerOwner = async () => {
    const { text } = await device.complete({
      model: MODEL,
      messages: [{ role: 'user', content: 'Tell a story.' }],
      scope: 'device',
      via: 'here',
      temperature: 1,
      maxTokens: 8,
    })
    // What the first one finds to be garbage counts as held until the second begins: 72 MB once, where
    // the second left 9.
    for (let i = 0; i < 2; i++) globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    const answer: OwnersAnswer = { text, heldBytes: heapUsed + external }
    process.send?.(answer)
  }
  process.on('message', () => void answerOwner())
  process.on('disconnect', () => process.exit())
  const [lent] = offer.models
  if (lent === undefined) throw new Error('nothing is lent')
  const flooded: Flooded = {
    address: lending.addresses()[0] ?? '',
    modelId: toHex(lent.modelId),
    manifestHash: toHex(lent.manifestHash),
    sha256: toHex(file.file.sha256),
  }
  process.send?.(flooded)
}

await main(process.argv.slice(2))
