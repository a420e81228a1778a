/** A reader of GBNF for tests, written apart from what writes it: it spells random texts of a grammar. */

type Node =
  | { kind: 'text'; text: string }
  | { kind: 'class'; isNot: boolean; ranges: [number, number][] }
  | { kind: 'rule'; name: string }
  | { kind: 'choice'; ways: Node[][] }
  | { kind: 'repeat'; node: Node; least: number; most: number }

/** What an open repetition ends at, and where choices begin to prefer the short way. */
const MOST_MORE = 4
const DEEP = 12
/** Characters that a class is tried with, besides its own ends. */
const TRIED = Array.from(' aA0z"\\/é漢🦉{}[]:,-_.\n', (char) => char.codePointAt(0) as number)

/** @param random gives numbers in [0, 1) */
export function spellGrammar(grammar: string, random: () => number): string {
  const rules = parse(grammar)
  let steps = 0

  function ways(all: Node[][], depth: number): string {
    if (++steps > 20_000) throw new Error('the text does not end')
    const allowed = depth < DEEP ? all : shortest(all)
    return sequence(allowed[Math.floor(random() * allowed.length)] as Node[], depth)
  }

  /** Ways that name the fewest rules. */
  function shortest(all: Node[][]): Node[][] {
    const weight = (nodes: Node[]): number =>
      nodes.reduce((sum, node) => {
        if (node.kind === 'rule') return sum + 1
        if (node.kind === 'repeat') return sum + node.least * weight([node.node])
        return sum + (node.kind === 'choice' ? Math.min(...node.ways.map(weight)) : 0)
      }, 0)
    const least = Math.min(...all.map(weight))
    return all.filter((nodes) => weight(nodes) === least)
  }

  function sequence(nodes: Node[], depth: number): string {
    return nodes.map((node) => one(node, depth)).join('')
  }

  function one(node: Node, depth: number): string {
    if (node.kind === 'text') return node.text
    if (node.kind === 'class') return character(node)
    if (node.kind === 'choice') return ways(node.ways, depth)
    if (node.kind === 'rule') {
      const rule = rules.get(node.name)
      if (rule === undefined) throw new Error(`there is no rule ${node.name}`)
      return ways(rule, depth + 1)
    }
    const most = Math.min(node.most, node.least + (depth < DEEP ? MOST_MORE : 0))
    const count = node.least + Math.floor(random() * (most - node.least + 1))
    return Array.from({ length: count }, () => one(node.node, depth)).join('')
  }

  function character(node: Node & { kind: 'class' }): string {
    const isIn = (code: number) =>
      node.ranges.some(([from, to]) => from <= code && code <= to) !== node.isNot
    const within = node.ranges.map(([from, to]) => from + Math.floor(random() * (to - from + 1)))
    const codes = [...TRIED, ...within, ...node.ranges.flat()].filter(
      (code) => isIn(code) && (code < 0xd800 || code > 0xdfff),
    )
    if (codes.length === 0) throw new Error('a class has no character')
    return String.fromCodePoint(codes[Math.floor(random() * codes.length)] as number)
  }

  return ways(rules.get('root') as Node[][], 0)
}

function parse(grammar: string): Map<string, Node[][]> {
  const rules = new Map<string, Node[][]>()
  for (const line of grammar.split('\n')) {
    const [, name = '', body = ''] = /^([\w-]+) ::= (.*)$/s.exec(line) ?? []
    if (name === '') throw new Error(`this is no rule: ${line}`)
    const state = { text: Array.from(body), at: 0 }
    rules.set(name, parseWays(state))
    if (state.at < state.text.length) throw new Error(`this rule does not end: ${line}`)
  }
  return rules
}

interface State {
  text: string[]
  at: number
}

function parseWays(state: State): Node[][] {
  const ways: Node[][] = [[]]
  while (state.at < state.text.length) {
    const char = state.text[state.at] as string
    const way = ways.at(-1) as Node[]
    if (char === ')') break
    if (char === ' ') state.at++
    else if (char === '|') {
      state.at++
      ways.push([])
    } else if ('*+?{'.includes(char)) {
      const node = way.pop()
      if (node === undefined) throw new Error('nothing is repeated')
      way.push({ kind: 'repeat', node, ...parseCount(state) })
    } else way.push(parseNode(state, char))
  }
  return ways
}

function parseNode(state: State, char: string): Node {
  if (char === '(') {
    state.at++
    const ways = parseWays(state)
    state.at++
    return { kind: 'choice', ways }
  }
  if (char === '"') {
    state.at++
    let text = ''
    while (state.text[state.at] !== '"') text += String.fromCodePoint(parseChar(state))
    state.at++
    return { kind: 'text', text }
  }
  if (char === '[') return parseClass(state)
  let name = ''
  while (/[\w-]/.test(state.text[state.at] ?? '')) name += state.text[state.at++]
  if (name === '') throw new Error(`${char} is not GBNF`)
  return { kind: 'rule', name }
}

function parseClass(state: State): Node {
  state.at++
  const isNot = state.text[state.at] === '^'
  if (isNot) state.at++
  const ranges: [number, number][] = []
  while (state.text[state.at] !== ']') {
    const from = parseChar(state)
    const isRange = state.text[state.at] === '-' && state.text[state.at + 1] !== ']'
    if (isRange) state.at++
    ranges.push([from, isRange ? parseChar(state) : from])
  }
  state.at++
  return { kind: 'class', isNot, ranges }
}

function parseChar(state: State): number {
  const char = state.text[state.at++]
  if (char === undefined) throw new Error('the rule is cut off')
  if (char !== '\\') return char.codePointAt(0) as number
  const escaped = state.text[state.at++] ?? ''
  const digits = { x: 2, u: 4, U: 8 }[escaped]
  if (digits !== undefined) {
    state.at += digits
    return Number.parseInt(state.text.slice(state.at - digits, state.at).join(''), 16)
  }
  const code = { n: 10, r: 13, t: 9 }[escaped]
  if (code === undefined && !'"\\[]'.includes(escaped)) throw new Error(`\\${escaped} is no escape`)
  return code ?? (escaped.codePointAt(0) as number)
}

function parseCount(state: State): { least: number; most: number } {
  const char = state.text[state.at++]
  if (char === '*') return { least: 0, most: Number.POSITIVE_INFINITY }
  if (char === '+') return { least: 1, most: Number.POSITIVE_INFINITY }
  if (char === '?') return { least: 0, most: 1 }
  const end = state.text.indexOf('}', state.at)
  const [least = '', most] = state.text.slice(state.at, end).join('').split(',')
  state.at = end + 1
  if (!/^\d+$/.test(least)) throw new Error('this is no count')
  if (most === undefined) return { least: Number(least), most: Number(least) }
  return { least: Number(least), most: most === '' ? Number.POSITIVE_INFINITY : Number(most) }
}
