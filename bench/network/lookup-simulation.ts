/**
 * Look-ups of a Kademlia table (Maymounkov and Mazières 2002) as ours is set up: buckets of 20, records
 * on the 20 nearest devices, three paths with three questions at once on each. Ids have 32 bits, which
 * tell 10,000 devices apart; nothing is sent, so that a network of any size fits.
 */
export interface SimulatedLookups {
  /** Questions until the first answer that names a lender. */
  messages: number[]
  /** Devices on the way to that answer; 0: the asker remembered it itself. */
  hops: number[]
  /** Share of look-ups that found one. */
  found: number
}

export interface SimulationInit {
  devices: number
  lookups: number
  /** Share of the devices that were replaced by new ones since records were stored and tables filled. */
  replaced: number
  /** 0 to 1 */
  dice: () => number
}

export const BUCKET = 20
const ALPHA = 3
const PATHS = 3

interface Node {
  id: number
  isAlive: boolean
  /** Remembers who lends the model that is looked for. */
  holds: boolean
  table: Node[]
}

export function simulateLookups(init: SimulationInit): SimulatedLookups {
  const { devices, lookups, replaced, dice } = init
  const nodes = createNodes(devices, dice)
  fillTables(nodes, nodes, dice)
  const all: SimulatedLookups = { messages: [], hops: [], found: 0 }
  const rounds = Math.ceil(lookups / 10)
  let asked = 0
  for (let round = 0; round < rounds; round++) {
    const key = randomId(dice)
    const holders = nearest(
      nodes.filter(({ isAlive }) => isAlive),
      key,
    )
    for (const node of holders) node.holds = true
    const town = replaced > 0 ? replaceSome(nodes, replaced, dice) : nodes
    for (let i = 0; i < 10 && asked < lookups; i++) {
      asked++
      const { messages, hops } = lookUp(anyOf(town, dice), key, dice)
      if (hops === null) continue
      all.found++
      all.messages.push(messages)
      all.hops.push(hops)
    }
    for (const node of nodes) node.holds = false
    for (const node of nodes) node.isAlive = true
  }
  all.found /= asked
  return all
}

function createNodes(count: number, dice: () => number): Node[] {
  const ids = new Set<number>()
  while (ids.size < count) ids.add(randomId(dice))
  return [...ids]
    .sort((one, other) => one - other)
    .map((id) => ({ id, isAlive: true, holds: false, table: [] }))
}

/** Up to 20 contacts at each distance, of those that `known` holds, sorted by id. */
function fillTables(nodes: readonly Node[], known: readonly Node[], dice: () => number): void {
  for (const node of nodes) {
    let [from, to] = [0, known.length]
    for (let bit = 31; bit >= 0 && to > from; bit--) {
      // Ids from `from` to `to` share the bits above this one: those with it come last.
      const middle = firstWith(known, bit, [from, to])
      const isOne = ((node.id >>> bit) & 1) === 1
      const other: [number, number] = isOne ? [from, middle] : [middle, to]
      node.table.push(...sample(known, other, dice).filter((one) => one !== node))
      if (isOne) from = middle
      else to = middle
    }
  }
}

function firstWith(sorted: readonly Node[], bit: number, [from, to]: [number, number]): number {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((((sorted[middle]?.id ?? 0) >>> bit) & 1) === 1) high = middle
    else low = middle + 1
  }
  return low
}

function sample(nodes: readonly Node[], [from, to]: [number, number], dice: () => number): Node[] {
  if (to - from <= BUCKET) return nodes.slice(from, to)
  const places = new Set<number>()
  while (places.size < BUCKET) places.add(from + Math.floor(dice() * (to - from)))
  return [...places].map((place) => nodes[place] as Node)
}

/** Some go; as many come, who know who is there now. Nobody else hears of either. */
function replaceSome(nodes: readonly Node[], share: number, dice: () => number): Node[] {
  for (const node of nodes) node.isAlive = dice() >= share
  const alive = nodes.filter(({ isAlive }) => isAlive)
  const fresh = createNodes(nodes.length - alive.length, dice)
  fillTables(fresh, alive, dice)
  return [...alive, ...fresh]
}

function lookUp(
  asker: Node,
  key: number,
  dice: () => number,
): { messages: number; hops: number | null } {
  if (asker.holds) return { messages: 0, hops: 0 }
  const seen = new Set<Node>([asker])
  const paths = Array.from({ length: PATHS }, () => ({ queue: [] as Step[], running: 0 }))
  for (const [i, node] of nearest(asker.table, key).entries()) {
    seen.add(node)
    paths[i % PATHS]?.queue.push({ node, depth: 1 })
  }
  const pending: { step: Step; path: (typeof paths)[number]; at: number }[] = []
  let [now, messages] = [0, 0]
  for (;;) {
    for (const path of paths) {
      path.queue.sort((one, other) => distance(one.node.id, key) - distance(other.node.id, key))
      while (path.running < ALPHA && path.queue.length > 0) {
        const step = path.queue.shift() as Step
        path.running++
        messages++
        // Who is gone is noticed later than an answer comes.
        const takes = step.node.isAlive ? 0.5 + dice() : 5
        pending.push({ step, path, at: now + takes })
      }
    }
    pending.sort((one, other) => one.at - other.at)
    const next = pending.shift()
    if (next === undefined) return { messages, hops: null }
    const { step, path } = next
    now = next.at
    path.running--
    if (!step.node.isAlive) continue
    if (step.node.holds) return { messages, hops: step.depth }
    for (const node of nearest(step.node.table, key)) {
      if (seen.has(node)) continue
      seen.add(node)
      path.queue.push({ node, depth: step.depth + 1 })
    }
  }
}

interface Step {
  node: Node
  depth: number
}

function nearest(nodes: readonly Node[], key: number): Node[] {
  return nodes
    .toSorted((one, other) => distance(one.id, key) - distance(other.id, key))
    .slice(0, BUCKET)
}

function distance(one: number, other: number): number {
  return (one ^ other) >>> 0
}

function randomId(dice: () => number): number {
  return Math.floor(dice() * 2 ** 32)
}

function anyOf(nodes: readonly Node[], dice: () => number): Node {
  return nodes[Math.floor(dice() * nodes.length)] as Node
}
