import { auditAnswer } from '../../packages/core/src/audit/audit.ts'
import { CALIBRATION } from '../../packages/core/src/audit/calibration-tables.ts'
import type { AuditReport } from '../../packages/core/src/device/audits.ts'
import { deriveIdentity } from '../../packages/core/src/identity/identity.ts'
import { createPhrase } from '../../packages/core/src/identity/phrase.ts'
import { systemRandom } from '../../packages/core/src/platform.ts'
import {
  createTown,
  DEPOSIT,
  question,
  WEB_SOCKETS,
} from '../../packages/node/src/device/town.fixture.ts'
import { createLlamaEngine } from '../../packages/node/src/engine/llama-engine.ts'
import { BUNDLED } from '../../packages/node/src/models/acorn.ts'
import type { DevicePage } from '../../packages/web/src/device/device-page.fixture.ts'
import { callerOf } from '../../packages/web/src/testing/call-page.fixture.ts'
import { openTestPage } from '../../packages/web/src/testing/test-page.fixture.ts'
import { rounded } from '../median.ts'
import { UNSEEN_PROMPTS } from '../prompts.ts'

const ENTRY = new URL('../../packages/web/src/device/open-device.page.ts', import.meta.url)
const OWN = 'here'

/** Both audits of one answer. */
export interface AuditedTwice {
  tokens: number
  tab: { verdict: string; margin: number; matches: number; seconds: number }
  node: { verdict: string; margin: number; matches: number; seconds: number }
}

/**
 * A page borrows from a native lender over WebSockets, pays on a chain, and audits; the same receipt
 * is audited by Node's engine.
 */
export async function auditTwice(answers: number): Promise<AuditedTwice[]> {
  const path = BUNDLED.acorn ?? ''
  await using town = await createTown()
  const lender = await town.lender({ device: { listen: [WEB_SOCKETS] } })
  await using test = await openTestPage({ entry: ENTRY, files: { '/acorn.gguf': path } })
  const call = callerOf<DevicePage>(test.page)
  const phrase = createPhrase(systemRandom)
  await town.chain.mint((await deriveIdentity(phrase, 0)).wallet.address, 2n * DEPOSIT)
  const models = { [OWN]: '/acorn.gguf' }
  await call('open', { phrase, models, chain: town.chain.settings })
  await call('befriend', lender.lending.addresses()[0] ?? '', DEPOSIT)
  await using engine = createLlamaEngine({ gpu: false })
  await using model = await engine.load(path, { sequences: 1 })
  const found: AuditedTwice[] = []
  for (const content of UNSEEN_PROMPTS.slice(0, answers)) {
    const messages = [{ role: 'user' as const, content }]
    const { record, error } = await call('borrow', question({ messages, maxTokens: 200 }))
    if (record?.evidence == null) throw new Error(`nothing was borrowed: ${error}`)
    const tab = await call('audit', OWN, record.id)
    const now = () => performance.now()
    const components = { model, tables: CALIBRATION, now }
    const node = await auditAnswer(record.evidence, record.profile, components)
    found.push({ tokens: record.tokens, tab: shortly(tab), node: shortly(node) })
  }
  return found
}

function shortly({ verdict, statistics, seconds }: AuditReport['audit']) {
  return {
    verdict,
    margin: rounded(statistics.meanClippedMargin),
    matches: rounded(statistics.matches),
    seconds: rounded(seconds, 3),
  }
}
