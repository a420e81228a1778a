import type { TextFormat } from './generation.ts'
import { schemaGrammar } from './schema-grammar.ts'

/** GBNF of what a text must look like. @throws UsageError for a schema that we cannot keep */
export function grammarOf(format: TextFormat): string {
  if (format.kind === 'grammar') return format.text
  return schemaGrammar(format.kind === 'json' ? { type: 'object' } : format.schema)
}
