import {
  BaseError,
  fallback,
  type Hex,
  HttpRequestError,
  http,
  keccak256,
  TimeoutError,
  type Transport,
} from 'viem'
import { ChainError } from '../errors.ts'
import type { Clock } from '../platform.ts'

export interface RpcNodesInit {
  /** URLs of nodes that answer JSON-RPC, the favourite first. */
  urls: readonly string[]
  /** The chain that they must be on. */
  chainId: number
  /** How long one question to one of them may take. */
  timeoutMs: number
}

/** How often a node's head is looked at, where there are others to turn to. */
const HEAD_MS = 5_000
/** For how long the head that a node named speaks against others, and against what it names next. */
const HEAD_KEPT_MS = 120_000
const NEVER = Number.NEGATIVE_INFINITY
/** A node that is further behind the highest head that was seen knows too little. */
const MAX_LAG_BLOCKS = 5
/** How long a node rests that failed, unless it says itself for how long. */
const REST_MS = 10_000
const LONGEST_REST_MS = 120_000

/** What all nodes together have shown. */
interface View {
  nodes: Node[]
}

/** viem makes a transport anew for each request: what is known of a node outlives it. */
interface Node {
  restsUntilMs: number
  /** Settled when it has named its chain. */
  onChain: Promise<void> | null
  lookedAtMs: number
  /** As it said last; a wrong one is forgotten with the next look at the same node. */
  head: bigint
}

/**
 * Asks the first node that is well: on the right chain, not behind, not resting after a failure or a
 * "too many requests". None of them is believed before it has named its chain.
 */
export function createRpcNodes(
  { urls, chainId, timeoutMs }: RpcNodesInit,
  { clock }: { clock: Clock },
): Transport {
  const view: View = { nodes: [] }
  // Rejections that another node would only repeat end the search; that much viem knows.
  return fallback(
    urls.map((url) => checked(url, { chainId, timeoutMs, view, clock })),
    { retryCount: 1 },
  )
}

function checked(
  url: string,
  init: Omit<RpcNodesInit, 'urls'> & { view: View; clock: Clock },
): Transport {
  const { chainId, timeoutMs, view, clock } = init
  const name = nodeName(url)
  const self: Node = { restsUntilMs: 0, onChain: null, lookedAtMs: NEVER, head: 0n }
  view.nodes.push(self)
  const isResting = (node: Node) => node.restsUntilMs > clock.now()

  return (config) => {
    // A failure goes to the next node at once: waiting here would hold up what another could answer.
    const inner = http(url, { timeout: timeoutMs, retryCount: 0 })(config)

    async function ask(method: string, params: unknown = []): Promise<unknown> {
      try {
        return await inner.request({ method, params } as never)
      } catch (error) {
        const failure = find(error, [HttpRequestError, TimeoutError])
        if (failure !== null) self.restsUntilMs = clock.now() + restOf(failure, clock)
        throw error
      }
    }

    async function requireChain(): Promise<void> {
      const found = Number(await ask('eth_chainId'))
      if (found === chainId) return
      throw new ChainError({
        what: `${name} is on another chain`,
        why: `its id is ${found}, this device clears on ${chainId}`,
        next: 'Correct the chain or its node in the settings',
      })
    }

    async function requireHead(): Promise<void> {
      if (view.nodes.length === 1 || clock.now() - self.lookedAtMs < HEAD_MS) return
      const head = BigInt((await ask('eth_blockNumber')) as Hex)
      const fresh = view.nodes.filter((node) => clock.now() - node.lookedAtMs < HEAD_KEPT_MS)
      const highest = fresh.reduce((most, node) => (node.head > most ? node.head : most), head)
      self.head = head
      if (highest - head > MAX_LAG_BLOCKS) {
        throw new ChainError({ what: `${name} is ${highest - head} blocks behind` })
      }
      self.lookedAtMs = clock.now()
    }

    return {
      ...inner,
      request: async ({ method, params }) => {
        const hasOther = view.nodes.some((node) => node !== self && !isResting(node))
        if (isResting(self) && hasOther) throw new ChainError({ what: `${name} rests` })
        self.onChain ??= requireChain()
        await self.onChain.catch((error: unknown) => {
          // It may come to its senses, or have been unreachable only.
          self.onChain = null
          throw error
        })
        await requireHead()
        try {
          return (await ask(method, params)) as never
        } catch (error) {
          const raw = method === 'eth_sendRawTransaction' ? (params as [Hex])[0] : null
          if (raw === null || !/already (?:known|imported)/i.test(String(error))) throw error
          // A node that then fell silent had passed it on.
          return keccak256(raw) as never
        }
      },
    }
  }
}

/** Without what may be secret: user, password, path and query. */
export function nodeName(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'a node without a valid URL'
}

type Failure = HttpRequestError | TimeoutError

function find(error: unknown, kinds: (new (...init: never[]) => Failure)[]): Failure | null {
  if (!(error instanceof BaseError)) return null
  return error.walk((one) => kinds.some((kind) => one instanceof kind)) as Failure | null
}

/** How long to leave a node alone: as long as it says in `retry-after`, seconds or a date. */
function restOf(error: Failure, clock: Clock): number {
  const said = error instanceof HttpRequestError ? error.headers?.get('retry-after') : null
  if (!said) return REST_MS
  const ms = /^\d+$/.test(said) ? Number(said) * 1_000 : Date.parse(said) - clock.now()
  return Number.isFinite(ms) ? Math.min(LONGEST_REST_MS, Math.max(0, ms)) : REST_MS
}
