import { ModelError } from '../errors.ts'

/** @throws ModelError for a model of which only the vocabulary is loaded */
export function requireTensors(vocabOnly: boolean): void {
  if (!vocabOnly) return
  throw new ModelError({
    what: 'this model cannot answer here',
    why: 'only its vocabulary is loaded',
    next: 'Borrow the answer, or get the whole model.',
  })
}
