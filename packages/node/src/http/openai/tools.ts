import { z } from 'zod'
import { UnsupportedError } from '../../serving/errors.ts'
import type { ToolChoice, ToolSpec } from '../../serving/tools.ts'

const parameters = z.record(z.string(), z.unknown())

/** Function calling is there; tools that somebody else would have to run are refused by name. */
export const toolSchema = z.looseObject({
  type: z.string(),
  function: z
    .object({
      name: z.string().min(1).max(64),
      description: z.string().nullish(),
      parameters: parameters.nullish(),
      strict: z.boolean().nullish(),
    })
    .optional(),
})

const named = z.object({ name: z.string() })

export const toolChoiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  z.object({ type: z.literal('function'), function: named }),
  z.object({
    type: z.literal('allowed_tools'),
    allowed_tools: z.object({
      mode: z.enum(['auto', 'required']),
      tools: z.array(z.looseObject({ function: named.optional() })),
    }),
  }),
])

const NO_PARAMETERS = { type: 'object', properties: {} }

/** Tools and choice as the device knows them. */
export function toolsOf(
  tools: readonly z.output<typeof toolSchema>[] = [],
  choice: z.output<typeof toolChoiceSchema> = 'auto',
): { tools: ToolSpec[]; choice: ToolChoice } {
  const specs = tools.map(({ type, function: fn }, index): ToolSpec => {
    if (type !== 'function' || fn === undefined) {
      throw new UnsupportedError(`tools.${index}.type`, {
        what: `a tool of type ${type.slice(0, 40)} is not supported`,
        next: 'Describe a function',
      })
    }
    const { name, description, parameters } = fn
    return {
      name,
      description: description ?? undefined,
      parameters: parameters ?? NO_PARAMETERS,
      isStrict: fn.strict ?? false,
    }
  })
  if (typeof choice === 'string') return { tools: specs, choice: { kind: choice } }
  if (choice.type === 'function') {
    return { tools: specs, choice: { kind: 'named', name: choice.function.name } }
  }
  const { mode, tools: allowed } = choice.allowed_tools
  const names = new Set(allowed.map(({ function: fn }) => fn?.name))
  return { tools: specs.filter(({ name }) => names.has(name)), choice: { kind: mode } }
}
