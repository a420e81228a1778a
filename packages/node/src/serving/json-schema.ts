/** A JSON schema that is an object. */
export type Schema = Readonly<Record<string, unknown>>

export function isSchemaObject(node: unknown): node is Schema {
  return typeof node === 'object' && node !== null && !Array.isArray(node)
}

/** What `ref`, such as `#/$defs/name`, stands for in `root`; undefined when it is not in there. */
export function resolveRef(root: unknown, ref: string): unknown {
  if (ref === '#') return root
  if (!ref.startsWith('#/')) return undefined
  let node = root
  for (const part of decodeURIComponent(ref).slice(2).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    const isThere = typeof node === 'object' && node !== null && Object.hasOwn(node, key)
    if (!isThere) return undefined
    node = (node as Record<string, unknown>)[key]
  }
  return node
}

/** Words that speak of one type only, and so say which is meant where none is named. */
const TELLING: Record<string, string> = {
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  minProperties: 'object',
  maxProperties: 'object',
  items: 'array',
  prefixItems: 'array',
  minItems: 'array',
  maxItems: 'array',
  minLength: 'string',
  maxLength: 'string',
  pattern: 'string',
  format: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
}

/** The types that a schema names or means; null: all. */
export function typesOf(node: Schema): readonly string[] | null {
  if (node.type !== undefined) return [node.type].flat().map(String)
  const told = Object.keys(node).flatMap((word) => TELLING[word] ?? [])
  return told.length > 0 ? [...new Set(told)] : null
}

/** Whether no value can be valid for two of `schemas`, as far as types and constants tell. */
export function areDisjoint(schemas: readonly unknown[], root: unknown): boolean {
  return schemas.every((schema, index) =>
    schemas.slice(index + 1).every((other) => isApart(schema, other, root, 0)),
  )
}

function isApart(a: unknown, b: unknown, root: unknown, depth: number): boolean {
  const [one, two] = [follow(a, root), follow(b, root)]
  if (one === undefined || two === undefined || depth > 8) return false
  const [values, others] = [constants(one), constants(two)]
  if (values !== undefined && others !== undefined) return !values.some((v) => others.includes(v))
  const [types, otherTypes] = [jsonTypes(one), jsonTypes(two)]
  if (types === undefined || otherTypes === undefined) return false
  const shared = types.filter((type) => otherTypes.includes(type))
  if (shared.length === 0) return true
  if (shared.join() !== 'object') return false
  const names = requiredOf(one).filter((name) => requiredOf(two).includes(name))
  return names.some((name) =>
    isApart(propertyOf(one, name), propertyOf(two, name), root, depth + 1),
  )
}

function follow(node: unknown, root: unknown): Schema | undefined {
  let at = node
  for (let hops = 0; hops < 8; hops++) {
    if (!isSchemaObject(at)) return undefined
    if (typeof at.$ref !== 'string') return at
    at = resolveRef(root, at.$ref)
  }
  return undefined
}

function constants(node: Schema): string[] | undefined {
  if (node.const !== undefined) return [JSON.stringify(node.const)]
  return Array.isArray(node.enum) ? node.enum.map((value) => JSON.stringify(value)) : undefined
}

/** An integer is a number, and a constant has a type of its own. */
function jsonTypes(node: Schema): string[] | undefined {
  const values = constants(node)?.map((text) => JSON.parse(text) as unknown)
  const types = values?.map((value) =>
    value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value,
  )
  const named = types ?? (hasChoice(node) ? undefined : typesOf(node))
  return named?.map((type) => (type === 'integer' ? 'number' : type))
}

function hasChoice(node: Schema): boolean {
  return ['anyOf', 'oneOf', 'allOf'].some((word) => node[word] !== undefined)
}

function requiredOf(node: Schema): string[] {
  return Array.isArray(node.required) ? node.required.map(String) : []
}

function propertyOf(node: Schema, name: string): unknown {
  return isSchemaObject(node.properties) ? node.properties[name] : undefined
}
