/** Schemas as clients send them, with what they ask for most. */
export const SCHEMAS: Record<string, object> = {
  person: {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 12 },
      age: { type: 'integer', minimum: 3, maximum: 120 },
      tags: { type: 'array', items: { enum: ['sea', 'owl', 'map'] }, minItems: 1, maxItems: 3 },
    },
    required: ['name', 'age', 'tags'],
    additionalProperties: false,
  },
  optional: {
    type: 'object',
    properties: {
      a: { type: 'boolean' },
      b: { type: ['string', 'null'], maxLength: 5 },
      c: { const: 'see' },
      d: { type: 'number', minimum: 0, exclusiveMaximum: 1 },
    },
    required: ['c'],
    additionalProperties: false,
  },
  open: {
    type: 'object',
    properties: { id: { type: 'integer' }, idea: { type: 'string', maxLength: 4 } },
    required: ['id'],
    additionalProperties: { type: 'boolean' },
  },
  kinds: {
    $defs: {
      ship: {
        type: 'object',
        properties: { kind: { const: 'ship' }, masts: { type: 'integer', enum: [1, 2, 3] } },
        required: ['kind', 'masts'],
      },
      bird: {
        type: 'object',
        properties: {
          kind: { const: 'bird' },
          name: { type: 'string', pattern: '^[A-Z][a-z]{2,6}$' },
        },
        required: ['kind', 'name'],
      },
    },
    type: 'array',
    minItems: 1,
    maxItems: 2,
    items: { oneOf: [{ $ref: '#/$defs/ship' }, { $ref: '#/$defs/bird' }] },
  },
  tree: {
    $defs: {
      node: {
        type: 'object',
        properties: {
          word: { type: 'string', maxLength: 3 },
          next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
        },
        required: ['word', 'next'],
      },
    },
    $ref: '#/$defs/node',
  },
  dates: {
    type: 'object',
    properties: {
      on: { type: 'string', format: 'date' },
      at: { type: 'string', format: 'date-time' },
      id: { type: 'string', format: 'uuid' },
    },
    required: ['on', 'at', 'id'],
  },
  pair: {
    type: 'array',
    prefixItems: [
      { type: 'integer', minimum: -12, maximum: 7 },
      { type: 'string', maxLength: 3 },
    ],
    items: false,
    minItems: 2,
  },
  call: {
    type: 'object',
    properties: {
      name: { enum: ['look_up', 'say "it"'] },
      arguments: {
        type: 'object',
        properties: {
          query: { type: 'string', pattern: '^\\w{1,8}( \\w{1,8})?$' },
          limit: { type: 'integer', minimum: 1 },
        },
        required: ['query'],
        additionalProperties: false,
      },
    },
    required: ['name', 'arguments'],
    additionalProperties: false,
  },
}
