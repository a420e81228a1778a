import { countTokens, messages } from './anthropic/messages.ts'
import { doctor, lending, overview, settings } from './freehold/dashboard.ts'
import { health, metrics } from './freehold/health.ts'
import { chat } from './ollama/chat.ts'
import { embed, embeddings as ollamaEmbeddings } from './ollama/embed.ts'
import { generate } from './ollama/generate.ts'
import { ps, root, show, tags, version } from './ollama/models.ts'
import { copy, create, pull, remove } from './ollama/store.ts'
import { chatCompletions } from './openai/chat.ts'
import { completions } from './openai/completions.ts'
import { embeddings } from './openai/embeddings.ts'
import { listModels, oneModel } from './openai/models.ts'
import { rerank } from './openai/rerank.ts'
import { deleteResponse, getResponse, responses } from './openai/responses.ts'
import type { ApiRoute } from './route.ts'

/** Everything that can be asked over HTTP; `docs/api.md` is made from it. */
export const ROUTES: readonly ApiRoute[] = [
  chatCompletions,
  completions,
  embeddings,
  listModels,
  oneModel,
  responses,
  getResponse,
  deleteResponse,
  rerank,
  messages,
  countTokens,
  chat,
  generate,
  embed,
  ollamaEmbeddings,
  tags,
  ps,
  show,
  pull,
  create,
  copy,
  remove,
  version,
  root,
  health,
  metrics,
  overview,
  doctor,
  settings,
  lending,
]
