import { z } from 'zod'

/** Names of what a body may hold, those inside `options` and the like too; * is needed. */
export function bodyParameters(schema: z.ZodType | undefined, before = ''): string[] {
  if (!(schema instanceof z.ZodObject)) return []
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const isNeeded = !(field as z.ZodType).safeParse(undefined).success
    const inner = bodyParameters(bare(field as z.ZodType), `${before}${name}.`)
    return inner.length > 0 ? inner : [`${before}${name}${isNeeded && before === '' ? '*' : ''}`]
  })
}

function bare(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodNullable
    ? bare(schema.unwrap() as z.ZodType)
    : schema
}
