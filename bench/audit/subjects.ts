import { join } from 'node:path'
import { type Quantisation, quantise } from '../../packages/node/src/engine/quantise.ts'
import { BUNDLED } from '../../packages/node/src/models/acorn.ts'
import { makeSyntheticModel, SMALL, SMALLER } from '../synthetic-model.ts'

/** A model whose audits are measured, and what dishonest lenders serve in its place. */
export interface Subject {
  name: string
  path: string
  /** Paths by kind, such as `Q4_K_M` or `smaller model`. */
  served: Readonly<Record<string, string>>
}

const COARSER: readonly Quantisation[] = ['Q5_K_M', 'Q4_K_M', 'Q2_K']

/** Weights without meaning, and a chat template: a system prompt must have somewhere to go. */
export const SYNTHETIC = 'synthetic'
const TEMPLATE = `{% for message in messages %}{{ message.role }}: {{ message.content }}
{% endfor %}assistant:`

/** As much choice in a token as a chat model has. */
const CHOICE = { chatTemplate: TEMPLATE, isUntied: true, logitSpread: 7 }

/** @param name a bundled model's, `synthetic`, or a path @param folder for what is made here */
export async function prepareSubject(name: string, folder: string): Promise<Subject> {
  const served: Record<string, string> = {}
  const fileOf = (kind: string) => join(folder, `${name.replaceAll(/\W/g, '-')}-${kind}.gguf`)
  if (name === SYNTHETIC) {
    const make = async (type: Quantisation, shape = SMALL, kind: string = type) => {
      const path = fileOf(kind)
      await makeSyntheticModel(path, shape, type, CHOICE)
      return path
    }
    for (const type of COARSER) served[type] = await make(type)
    served['smaller model'] = await make('Q8_0', SMALLER, 'smaller')
    return { name, path: await make('Q8_0'), served }
  }
  const path = BUNDLED[name] ?? name
  for (const type of COARSER) {
    served[type] = fileOf(type)
    await quantise(path, fileOf(type), type)
  }
  if (name === 'acorn') served['smaller model'] = BUNDLED['acorn-small'] ?? ''
  return { name, path, served }
}
