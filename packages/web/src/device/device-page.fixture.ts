import type { ChannelRecord } from '@freehold/core/clearing/channel'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { AuditReport } from '@freehold/core/device/audits'
import type { CompletionInit } from '@freehold/core/device/completions'
import type { AnswerRecord } from '@freehold/core/device/records'
import type { Profile } from '@freehold/core/engine/engine'

/** What came of one question. */
export interface PageAnswer {
  text: string
  /** The text as it came, put together. */
  shown: string
  ids: number[]
  error: string | null
  record: AnswerRecord | null
  audit: AuditReport['audit'] | null
  /** The answer's channel, after everything was paid. */
  channel: ChannelRecord | null
  /** What is wrong with the egress log. */
  egress: unknown
}

/** What the Node side of a test may ask of the device in `open-device.page.ts`. */
export interface DevicePage {
  /** Opens the device, after closing the one that was open; its database stays. */
  open(init: {
    phrase: string
    models: Record<string, string>
    chain: ChainSettings
  }): Promise<void>
  /** Meets a lender and opens a channel to it. */
  befriend(address: string, deposit: bigint): Promise<void>
  borrow(question: CompletionInit): Promise<PageAnswer>
  profile(model: string): Promise<Profile>
  /** Loads the model and audits an answer. */
  audit(model: string, id: string): Promise<AuditReport['audit']>
}
