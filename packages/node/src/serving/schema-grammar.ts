import { UsageError } from '@freehold/core/errors'
import { formatRule } from './format-rules.ts'
import { areDisjoint, isSchemaObject, resolveRef, type Schema, typesOf } from './json-schema.ts'
import { integerRange, numberRange } from './number-grammar.ts'
import { patternRule } from './pattern-grammar.ts'

/**
 * Writes a JSON schema down as GBNF, llama.cpp's grammar notation. Each text of the grammar is valid
 * JSON that the schema accepts; some that the schema accepts are left out: properties come in the
 * order of the schema, unnamed ones only where `additionalProperties` asks for them or nothing is
 * named, and white space is short.
 * @throws UsageError naming the first thing that the grammar could not keep
 */
export function schemaGrammar(schema: unknown): string {
  const rules = new Map<string, string>(Object.entries(SHARED))
  const refs = new Map<string, string>()
  let count = 0

  function add(body: string): string {
    const name = `r${count++}`
    if (count > MOST_RULES) refuse('#', `it needs more than ${MOST_RULES} rules`)
    rules.set(name, body)
    return name
  }

  /** @returns what stands for the schema in a rule */
  function visit(node: unknown, path: string, depth: number): string {
    if (depth > MOST_DEPTH) refuse(path, `it is nested more than ${MOST_DEPTH} deep`)
    if (node === true) return 'value'
    if (node === false) refuse(path, 'false allows nothing')
    if (!isSchemaObject(node)) refuse(path, 'it is no schema')
    checkWords(node, path)
    const deeper = (child: unknown, where: string) => visit(child, `${path}/${where}`, depth + 1)
    if (node.$ref !== undefined) {
      alone(node, '$ref', path)
      return reference(node.$ref, path, depth)
    }
    if (node.allOf !== undefined) {
      alone(node, 'allOf', path)
      const all = list(node.allOf, `${path}/allOf`)
      if (all.length !== 1) refuse(path, 'allOf with more than one schema')
      return deeper(all[0], 'allOf/0')
    }
    for (const word of ['anyOf', 'oneOf'] as const) {
      const some = node[word]
      if (some === undefined) continue
      alone(node, word, path)
      const options = list(some, `${path}/${word}`)
      if (options.length === 0) refuse(path, `${word} without a schema`)
      if (word === 'oneOf' && !areDisjoint(options, schema)) {
        refuse(path, 'oneOf whose schemas may hold at once; anyOf does not mind')
      }
      return add(options.map((option, index) => deeper(option, `${word}/${index}`)).join(' | '))
    }
    const types = typesOf(node)
    if (node.const !== undefined || node.enum !== undefined) return literals(node, types, path)
    if (types === null) return 'value'
    return add(types.map((type) => typed(type, node, path, deeper)).join(' | '))
  }

  function reference(ref: unknown, path: string, depth: number): string {
    if (typeof ref !== 'string') refuse(path, '$ref is no text')
    const known = refs.get(ref)
    if (known !== undefined) return known
    const target = resolveRef(schema, ref)
    if (target === undefined) refuse(path, `$ref to ${ref}, which is not in this schema`)
    const name = add('')
    refs.set(ref, name)
    rules.set(name, visit(target, ref, depth + 1))
    return name
  }

  function literals(node: Schema, types: readonly string[] | null, path: string): string {
    const only = node.const === undefined ? undefined : [node.const]
    const values = only ?? list(node.enum, `${path}/enum`)
    for (const word of Object.keys(node)) {
      if (['type', 'const', 'enum', ...ANNOTATIONS].includes(word)) continue
      refuse(path, `${word} beside ${only ? 'const' : 'enum'}`)
    }
    if (only !== undefined && node.enum !== undefined) refuse(path, 'const beside enum')
    const fitting = values.filter((value) => types === null || types.some((t) => isOf(t, value)))
    if (fitting.length === 0) refuse(path, 'no value is allowed')
    return add(fitting.map((value) => literal(JSON.stringify(value))).join(' | '))
  }

  type Deeper = (child: unknown, where: string) => string

  function typed(type: string, node: Schema, path: string, deeper: Deeper): string {
    switch (type) {
      case 'null':
        return '"null"'
      case 'boolean':
        return '("true" | "false")'
      case 'integer':
      case 'number':
        return numeric(type, node, path)
      case 'string':
        return text(node, path)
      case 'array':
        return array(node, path, deeper)
      case 'object':
        return object(node, path, deeper)
      default:
        return refuse(path, `the type ${type}`)
    }
  }

  function numeric(type: 'integer' | 'number', node: Schema, path: string): string {
    const bounds = {
      minimum: numberOf(node, 'minimum', path),
      maximum: numberOf(node, 'maximum', path),
      exclusiveMinimum: numberOf(node, 'exclusiveMinimum', path),
      exclusiveMaximum: numberOf(node, 'exclusiveMaximum', path),
    }
    if (Object.values(bounds).every((bound) => bound === undefined)) return type
    const rule = type === 'integer' ? integerRange(bounds) : numberRange(bounds)
    return rule ?? refuse(path, `these bounds of a ${type}`)
  }

  function text(node: Schema, path: string): string {
    const least = countOf(node, 'minLength', path)
    const most = countOf(node, 'maxLength', path)
    const { format, pattern } = node
    const isBounded = least !== undefined || most !== undefined
    if (format !== undefined) {
      if (pattern !== undefined || isBounded) refuse(path, 'format beside other limits of a string')
      return formatRule(format) ?? refuse(path, `the format ${JSON.stringify(format)}`)
    }
    if (pattern !== undefined) {
      if (isBounded) refuse(path, 'pattern beside minLength or maxLength')
      const rule = typeof pattern === 'string' ? patternRule(pattern) : undefined
      return rule ?? refuse(path, `the pattern ${JSON.stringify(pattern)}`)
    }
    if (!isBounded) return 'string'
    return `"\\"" char${repetition(least ?? 0, most, path)} "\\""`
  }

  function array(node: Schema, path: string, deeper: Deeper): string {
    const first = node.prefixItems === undefined ? [] : list(node.prefixItems, path)
    const least = countOf(node, 'minItems', path) ?? 0
    const most = countOf(node, 'maxItems', path)
    if (node.items === false && least > first.length) refuse(path, 'more minItems than items')
    const isOpen = node.items !== false && (most === undefined || most > first.length)
    const item = isOpen ? deeper(node.items ?? true, 'items') : ''
    const fixed = first.slice(0, most).map((child, index) => deeper(child, `prefixItems/${index}`))
    // From the end on: what may follow the first `index` items.
    let tail = ''
    if (isOpen) {
      const from = Math.max(0, least - fixed.length)
      const to = most === undefined ? undefined : most - fixed.length
      if (fixed.length === 0) return `"[" ws ${items(item, from, to, path)} ws "]"`
      tail = `("," ws ${item})${repetition(from, to, path)}`
    }
    for (let index = fixed.length - 1; index >= 0; index--) {
      const here = `${index > 0 ? '"," ws ' : ''}${fixed[index]} ${tail}`
      tail = index < least ? here : `(${here})?`
    }
    return `"[" ws ${tail} ws "]"`
  }

  function items(item: string, least: number, most: number | undefined, path: string): string {
    if (most === 0) return ''
    const more = repetition(Math.max(0, least - 1), most === undefined ? undefined : most - 1, path)
    const some = `${item} ("," ws ${item})${more}`
    return least > 0 ? some : `(${some})?`
  }

  function object(node: Schema, path: string, deeper: Deeper): string {
    const properties = node.properties ?? {}
    if (!isSchemaObject(properties)) refuse(path, 'properties that are no object')
    const names = Object.keys(properties)
    const required = new Set(node.required === undefined ? [] : list(node.required, path))
    for (const name of required) {
      if (typeof name !== 'string') refuse(path, 'required names that are no text')
      if (!names.includes(name)) refuse(path, `required ${name}, which properties do not have`)
    }
    const least = countOf(node, 'minProperties', path) ?? 0
    if (least > required.size) refuse(path, 'minProperties beyond those that are required')
    if (node.maxProperties !== undefined) refuse(path, 'maxProperties')
    const other = node.additionalProperties ?? names.length === 0
    let tail = ''
    let extra: string | undefined
    if (other !== false) {
      extra = add(`${keyExcept(names)} ":" ws ${deeper(other, 'additionalProperties')}`)
      tail = `("," ws ${extra})*`
    }
    /** Ways to begin, for each property that may be the first, and what follows it. */
    const beginnings: string[] = extra === undefined ? [] : [`${extra} ${tail}`]
    let canBeEmpty = true
    for (const name of names.reverse()) {
      const value = deeper(properties[name], `properties/${name.replaceAll('/', '~1')}`)
      const pair = add(`${literal(JSON.stringify(name))} ":" ws ${value}`)
      const rest = tail === '' ? '' : add(tail)
      if (required.has(name)) beginnings.length = 0
      beginnings.unshift(`${pair} ${rest}`)
      tail = required.has(name) ? `"," ws ${pair} ${rest}` : `("," ws ${pair})? ${rest}`
      if (required.has(name)) canBeEmpty = false
    }
    if (beginnings.length === 0) return '"{" ws "}"'
    return `"{" ws (${beginnings.join(' | ')})${canBeEmpty ? '?' : ''} ws "}"`
  }

  /** A key that is none of `names`: it leaves the tree of their letters somewhere. */
  function keyExcept(names: readonly string[]): string {
    if (names.length === 0) return 'string'
    const visitTree = (rest: readonly string[]): string => {
      const heads = [...new Set(rest.filter((name) => name !== '').map(([head]) => head as string))]
      // What a name would need an escape for is never spelled, so nothing has to be kept from it.
      const plain = heads.filter((head) => !/["\\\p{Cc}]/u.test(head))
      const ways = [`[^"\\\\\\x7F\\x00-\\x1F${plain.map(classChar).join('')}] char* "\\""`]
      if (!rest.includes('')) ways.push('"\\""')
      for (const head of plain) {
        const under = rest.filter((name) => name.startsWith(head))
        ways.push(`${literal(head)} ${visitTree(under.map((name) => name.slice(head.length)))}`)
      }
      return add(ways.join(' | '))
    }
    return add(`"\\"" ${visitTree(names)}`)
  }

  rules.set('root', visit(schema, '#', 0))
  return [...rules].map(([name, body]) => `${name} ::= ${body}`).join('\n')
}

const MOST_RULES = 5_000
const MOST_DEPTH = 64
/** llama.cpp writes each repetition out, and refuses more. */
const MOST_REPETITIONS = 2_000

/** Rules that every grammar may use. No escape stands for half a character. */
const SHARED = {
  ws: '| " " | "\\n" [ \\t]{0,20}',
  char: `[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\/bfnrt] | "u" hex4)`,
  hex4: '[0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}',
  string: '"\\"" char* "\\""',
  integer: '"-"? ("0" | [1-9] [0-9]{0,14})',
  number: 'integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  value: 'object | array | string | number | "true" | "false" | "null"',
  object: '"{" ws (string ":" ws value ("," ws string ":" ws value)*)? ws "}"',
  array: '"[" ws (value ("," ws value)*)? ws "]"',
}

/** Words that say nothing about what is valid. */
const ANNOTATIONS = [
  ...['$schema', '$id', '$anchor', '$comment', '$defs', 'definitions', 'title', 'description'],
  ...['default', 'example', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'discriminator'],
]
const KEPT = [
  ...['type', 'enum', 'const', '$ref', 'allOf', 'anyOf', 'oneOf'],
  ...['properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties'],
  ...['items', 'prefixItems', 'minItems', 'maxItems'],
  ...['minLength', 'maxLength', 'pattern', 'format'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
]

function checkWords(node: Schema, path: string): void {
  for (const word of Object.keys(node)) {
    if (KEPT.includes(word) || ANNOTATIONS.includes(word) || word.startsWith('x-')) continue
    refuse(path, word)
  }
}

function alone(node: Schema, word: string, path: string): void {
  for (const other of Object.keys(node)) {
    if (other === word || ANNOTATIONS.includes(other) || other.startsWith('x-')) continue
    refuse(path, `${other} beside ${word}`)
  }
}

function list(value: unknown, path: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(path, 'something else where a list belongs')
}

function countOf(node: Schema, word: string, path: string): number | undefined {
  const value = node[word]
  if (value === undefined) return undefined
  if (Number.isInteger(value) && (value as number) >= 0) return value as number
  return refuse(path, `${word} that is no count`)
}

function numberOf(node: Schema, word: string, path: string): number | undefined {
  const value = node[word]
  if (value === undefined || Number.isFinite(value)) return value as number | undefined
  return refuse(path, `${word} that is no number`)
}

function repetition(least: number, most: number | undefined, path: string): string {
  if (Math.max(least, most ?? 0) > MOST_REPETITIONS) {
    refuse(path, `a length or count above ${MOST_REPETITIONS}`)
  }
  if (most !== undefined && most < least) refuse(path, 'a maximum below its minimum')
  if (most === 0) return '{0,0}'
  return most === undefined && least === 0 ? '*' : `{${least},${most ?? ''}}`
}

function isOf(type: string, value: unknown): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'object') return isSchemaObject(value)
  return typeof value === type
}

/** A GBNF literal. */
function literal(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`
}

/** A character inside of a GBNF class. */
function classChar(char: string): string {
  const code = char.charCodeAt(0)
  return /[^\w]/.test(char) && code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : char
}

function refuse(path: string, what: string): never {
  throw new UsageError({
    what: `the JSON schema says what cannot be kept: ${what}`,
    why: `at ${path}`,
    next: 'Leave it out, or say it in another way.',
  })
}
