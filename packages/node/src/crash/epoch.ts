import { setTimeout } from 'node:timers/promises'
import type { PartyProcess } from './party-process.ts'
import { startParty } from './party-process.ts'
import type { Kill } from './plan.ts'
import type { Death, PartySettings } from './protocol.ts'
import { blame, type Tally } from './tally.ts'

type Role = 'lender' | 'borrower'

export interface EpochInit {
  /** What both are started with, by role. */
  settings: Record<Role, PartySettings>
  plan: readonly Kill[]
  address: string
  deposit: bigint
  mark: string
  /** Names seed and epoch. */
  where: string
}

/** However slow the machine: what takes longer than this has hung. */
const STUCK_MS = 60_000

/** Two devices that are killed over and over, and have to go on on one channel. */
export async function runEpoch(init: EpochInit, tally: Tally): Promise<void> {
  const { plan, address, where } = init
  const parties = new Map<Role, PartyProcess>()
  let place = where
  /** How long a start takes here. */
  let startMs = 1_000

  const stuck = (why: string) => blame(tally, 'stuck', 1, `${place}: ${why}`)
  const party = (role: Role): PartyProcess => parties.get(role) as PartyProcess

  async function start(role: Role, dies?: Death): Promise<boolean> {
    const process = startParty(role, { ...init.settings[role], dies }, init.mark)
    parties.set(role, process)
    const isUp = await Promise.race([process.ready, setTimeout(STUCK_MS, null, { ref: false })])
    if (isUp === null) stuck(`the ${role} does not start: ${process.said()}`)
    if (isUp === false && dies === undefined) stuck(`the ${role} fails at start: ${process.said()}`)
    if (isUp !== true) await process.kill()
    return isUp === true
  }

  /** Starts whoever is dead; `again` kills it once more on the way. */
  async function revive(again: number | null): Promise<void> {
    for (const role of ['lender', 'borrower'] as const) {
      if (parties.has(role) && !party(role).isDead()) continue
      if (again !== null && parties.has(role)) {
        tally.kills++
        // It may be up before its time has come: then it dies as it begins to work.
        await start(role, { by: 'time', after: Math.ceil(again * startMs), isBefore: true })
        await party(role).kill()
      }
      const startedMs = Date.now()
      if (!(await start(role))) continue
      startMs = Date.now() - startedMs
      if (parties.size === 2) tally.restartsMs.push(startMs)
    }
  }

  /** Tells a party something that must end; null when it is dead. */
  async function tell(role: Role, order: Parameters<PartyProcess['tell']>[0]) {
    try {
      return await party(role).tell(order, STUCK_MS)
    } catch (error) {
      stuck(String(error))
      await party(role).kill()
      return null
    }
  }

  /** Everybody is alive: an answer has to come, now or after what is in the way has ended. */
  async function serveAgain(tokens: number): Promise<void> {
    const deadline = Date.now() + STUCK_MS
    let said = ''
    while (Date.now() < deadline) {
      await revive(null)
      const word = await tell('borrower', { do: 'borrow', tokens })
      if (word?.said === 'ended' && word.end === 'whole') return
      said = word?.said === 'ended' ? word.end : word?.said === 'failed' ? word.why : 'died'
      await setTimeout(200)
    }
    stuck(`not served again: ${said}; ${party('lender').said()}`)
  }

  async function open(): Promise<void> {
    const amount = String(init.deposit)
    const word = await tell('borrower', { do: 'open', address, amount })
    if (word?.said === 'failed') stuck(`no channel opens: ${word.why}`)
  }

  async function kill({ who, death, again, tokens }: Kill, isOpening: boolean): Promise<void> {
    const victims: Role[] = who === 'both' ? ['lender', 'borrower'] : who === 'engine' ? [] : [who]
    const engine = who === 'engine' ? await tell('lender', { do: 'engine' }) : null
    const [first] = victims
    if (death.by === 'text') {
      let seen = 0
      party('borrower').onText = () => {
        if (++seen !== death.after) return
        if (engine?.said === 'engine' && engine.pid > 0) process.kill(engine.pid, 'SIGKILL')
        for (const role of victims) void party(role).kill()
      }
    } else if (first) await tell(first, { do: 'arm', dies: death })
    const amount = String(init.deposit)
    await tell('borrower', isOpening ? { do: 'open', address, amount } : { do: 'borrow', tokens })
    party('borrower').onText = undefined
    // Whoever was to die later dies now.
    await Promise.all(victims.map((role) => party(role).kill()))
    tally.kills += Math.max(1, victims.length)
    await revive(again)
  }

  try {
    await revive(null)
    let isOpen = false
    for (const [i, one] of plan.entries()) {
      place = `${where}, kill ${i + 1} (${JSON.stringify(one)})`
      // The first one comes while the channel is opened.
      await kill(one, i === 0)
      if (!isOpen) await open()
      isOpen = true
      await serveAgain(2)
    }
    place = `${where}, at its end`
    const { deadlines, holdBackMs } = init.settings.lender
    // First what a process left running ends, then what it held back is late.
    for (const ms of [deadlines.handshakeMs + deadlines.totalMs + 5_100, holdBackMs + 100]) {
      await setTimeout(ms)
      await serveAgain(1)
    }
    await tell('lender', { do: 'settle' })
    for (const role of ['borrower', 'lender'] as const) {
      await tell(role, { do: 'stop' })
      const ended = party(role).ended.then(() => true)
      if (!(await Promise.race([ended, setTimeout(STUCK_MS, false, { ref: false })]))) {
        stuck(`the ${role} does not stop`)
      }
    }
  } finally {
    await Promise.all([...parties.values()].map((one) => one.kill()))
  }
}
