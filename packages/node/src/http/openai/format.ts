import { z } from 'zod'
import type { TextFormat } from '../../serving/generation.ts'

const schema = z.record(z.string(), z.unknown())

export const responseFormatSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ name: z.string().optional(), schema: schema.optional() }),
  }),
])

/** What the answer must look like; undefined: anything. */
export function formatOf(
  format: z.output<typeof responseFormatSchema> | undefined,
): TextFormat | undefined {
  if (format === undefined || format.type === 'text') return undefined
  if (format.type === 'json_object') return { kind: 'json' }
  const { schema } = format.json_schema
  return schema === undefined ? { kind: 'json' } : { kind: 'schema', schema }
}
