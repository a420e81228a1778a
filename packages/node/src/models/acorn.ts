import { fileURLToPath } from 'node:url'

/** The bundled models, by the names that people type. */
export const BUNDLED: Readonly<Record<string, string>> = {
  acorn: bundled('acorn-q8_0.gguf'),
  'acorn-small': bundled('acorn-small-q8_0.gguf'),
}

/** What answers where nobody names a model. */
export const DEFAULT_MODEL = 'acorn'

function bundled(file: string): string {
  return fileURLToPath(new URL(`../../../../models/acorn/${file}`, import.meta.url))
}
