import { replayEvidence } from '@freehold/core/audit/replay'
import type { Standing } from '@freehold/core/audit/standing'
import { fromHex } from '@freehold/core/bytes'
import { peerName } from '@freehold/core/identity/peer-name'
import { bytesOutOfScope } from '@freehold/core/routing/bytes-out-of-scope'
import type { EgressEntry } from '@freehold/core/routing/egress-log'
import { pathsOf } from '../config.ts'
import type { Tally } from '../crash/tally.ts'
import { readDisk, verifyDisks } from '../crash/verify.ts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'
import type { Townsman } from './chaos-run.ts'
import type { Observed } from './figures.ts'
import { isLie } from './plan.ts'
import { standInModel } from './stand-in-engine.ts'

/** Above this an answer is not what the model says. */
const MOST_MARGIN = 0.5

/** Compares all disks, once every process has ended. */
export async function verifyTown(
  tally: Tally,
  town: readonly Townsman[],
  { observed, windowTokens }: { observed: Observed; windowTokens: number },
): Promise<{
  answersWrongUnnoticed: number
  lendersAskedAfterFail: number
  bytesOutOfScope: number
}> {
  const counts = { answersWrongUnnoticed: 0, lendersAskedAfterFail: 0, bytesOutOfScope: 0 }
  const model = standInModel()
  const lenders = town.filter(({ role }) => role === 'lender')
  const lent = await Promise.all(lenders.map(async ({ settings }) => readDisk(settings.home)))
  for (const borrower of town.filter(({ role }) => role === 'borrower')) {
    const { home, scope, friends } = borrower.settings
    const disk = await readDisk(home)
    const { standing, egress } = await readMore(home)
    for (const [i, its] of lent.entries()) {
      const lender = lenders[i] as Townsman
      // What a liar is owed, it is not paid: only the honest have something to lose.
      if (observed.done.some(({ kind, lender: key }) => isLie(kind) && key === lender.key)) continue
      await verifyDisks(
        tally,
        {
          borrower: {
            channels: disk.channels.filter(({ peer }) => peer === lender.key),
            answers: disk.answers.filter((one) => one.lender === lender.key),
            lent: [],
            standing: standing.flatMap(([key, one]) => (key === lender.key ? [one] : [])),
          },
          lender: {
            ...its,
            channels: its.channels.filter(({ peer }) => peer === borrower.key),
            lent: its.lent.filter((one) => one.borrower === borrower.key),
          },
        },
        { model, windowTokens, where: `${borrower.name} and ${lender.name}` },
      )
    }
    for (const answer of disk.answers) {
      const convicted = observed.convicted.find(
        ({ by, lender }) => by === borrower.name && lender === answer.lender,
      )
      if (convicted && answer.startedAtMs > convicted.atMs) counts.lendersAskedAfterFail++
      if (answer.pooled !== 'pass' || answer.evidence?.signed == null) continue
      const positions = await replayEvidence(model, answer.evidence)
      if (positions.some(({ margin }) => margin > MOST_MARGIN)) counts.answersWrongUnnoticed++
    }
    const rungOf = (device: string) =>
      friends.includes(peerName(fromHex(device))) ? 'friends' : 'market'
    counts.bytesOutOfScope += bytesOutOfScope(egress, { rungOf, scopeOf: () => scope })
  }
  return counts
}

async function readMore(home: string) {
  await using storage = openSqliteStorage(pathsOf({ home }).database)
  const standing = await storage.table<Standing>('standing').list()
  const egress = (await storage.table<EgressEntry>('egress').list()).map(([, entry]) => entry)
  return { standing, egress }
}
