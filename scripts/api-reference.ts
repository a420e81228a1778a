import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { bodyParameters } from '../packages/node/src/http/body-parameters.ts'
import { DEFAULT_PORT } from '../packages/node/src/http/default-port.ts'
import { MAX_PRICE } from '../packages/node/src/http/errors.ts'
import { MAX_BODY_BYTES } from '../packages/node/src/http/read-body.ts'
import type { ApiRoute, Refusals } from '../packages/node/src/http/route.ts'
import { ROUTES } from '../packages/node/src/http/routes.ts'
import { DEFAULT_SAMPLING } from '../packages/node/src/serving/answer.ts'

/** Writes `docs/api.md` from the routes themselves. `--check`: says whether it is as it would be. */
const PATH = fileURLToPath(new URL('../docs/api.md', import.meta.url))

const { temperature, topK, topP, minP, repeatPenalty } = DEFAULT_SAMPLING

const HEAD = `# The HTTP interface

<!-- Made by scripts/api-reference.ts from the routes themselves: change those. -->

\`freehold serve\` answers at http://127.0.0.1:${DEFAULT_PORT} as OpenAI, Anthropic and Ollama do. How to use it from other programs:
[use-with-other-programs.md](use-with-other-programs.md). The bundled model is called \`acorn\`.

## What holds for each request

- **Nothing is dropped silently.** A parameter that is known and not supported gets 400 with its name; those are listed below, with the
  values that ask for nothing and pass. What could change no answer here passes (\`user\`, \`safety_identifier\`, \`prompt_cache_key\`,
  \`cache_control\`: prefixes are kept by themselves), and so does a parameter that nobody knows.
- **Nothing is cut off silently.** A prompt that does not fit gets 400 (\`context_length_exceeded\`); an answer that reaches its limit, or the end
  of the context, ends with \`length\`, \`max_tokens\` or \`incomplete\`.
- **Sampling** where a request says nothing: temperature ${temperature}, top_k ${topK}, top_p ${topP}, min_p ${minP}, repeat_penalty ${repeatPenalty}. A token is drawn from the
  64 highest logits at most, so top_k is 0 (all of those) to 64. The same \`seed\`, prompt and build give the same text.
- **Formats** (JSON, JSON schema, a tool that must be called) hold by grammar; what a schema cannot express here gets 400 before anything is computed.
- **Tools** go to the model by its own chat template where that has tools and marks calls with \`<tool_call>\`; else as a description in the system
  message, with a grammar that keeps each call whole and as its parameters say (\`strict: true\` asks for that everywhere). Calls and answers of a conversation are told in the same way. What looks like a call and cannot be read is shown as text.
- **Thoughts** between \`<think>\` and \`</think>\` come apart from the answer: \`reasoning_content\` (and \`reasoning\`), \`thinking\`, a reasoning item.
  How long a model thinks is limited by the length of the answer alone: \`thinking.budget_tokens\` sets no limit of its own.
- **Errors** have the shape of their API. One after the first words is an event of the stream (\`data: {"error": …}\`, \`event: error\`, a line).
  503 with \`retry-after\` means that all places are taken and the line is full. Each answer has an \`x-request-id\`.
- **Turns.** Each model writes some texts at once; others wait in line. Clients (told apart by token and user agent) take turns. Who hangs
  up stops its answer within one token.
- **Limits.** A body has at most ${MAX_BODY_BYTES} bytes (413).
- **Who may ask.** \`Host\` must be localhost, 127.0.0.1 or [::1], or be allowed with \`--allow-host\`; \`Origin\`, where there is one, a page of this machine
  or one that \`--allow-origin\` allows: else 403. With tokens (\`FREEHOLD_API_TOKEN\`, or \`tokens\` in the settings, as texts or \`{"name", "token"}\`) each request but \`/health\`
  needs one, as \`Authorization: Bearer …\` or \`x-api-key\`.
- **\`x-freehold-scope\`** (\`device\`, \`own\`, \`friends\`, \`market\`; default \`device\`) says how far a request may travel, never further than \`serve --scope\`;
  **\`x-freehold-via\`** (\`auto\`, \`here\`, \`peer\`; default \`auto\`) where the answer should come from. A borrowed answer knows temperature and length alone: what its
  audited sampler cannot do gets 400 by name. \`x-freehold-receipt\` names the receipt of a chat completion that is no stream; \`freehold ledger\` lists all.
- **What may leave.** The owner's rules may keep a request nearer than it asks (403, \`scope\`), by model, by content, or by the name of its token. Beyond the
  owner's devices secrets block it (403, \`content_blocked\`; the message says what stands where, never what it is), and personal data is replaced and put back
  in the answer, in streams too. No header loosens that: [privacy.md](privacy.md).
- **\`${MAX_PRICE}\`** says what a borrowed answer may cost, a whole number of token units; the ceilings of \`freehold wallet limits\` hold besides, and no
  request raises them. Without either, and for what could cost more, a borrowed answer for money gets 402 (\`price_ceiling\`) before anything leaves the device.
`

const SECTIONS: readonly { title: string; isIn: (path: string) => boolean }[] = [
  { title: 'Anthropic', isIn: (path) => path.startsWith('/v1/messages') },
  { title: 'OpenAI', isIn: (path) => path.startsWith('/v1/') },
  { title: 'Ollama', isIn: (path) => path === '/' || path.startsWith('/api/') },
  { title: 'Freehold', isIn: () => true },
]
const ORDER = ['OpenAI', 'Anthropic', 'Ollama', 'Freehold']

function sectionOf({ path }: ApiRoute): string {
  return SECTIONS.find(({ isIn }) => isIn(path))?.title ?? ''
}

function pathText(path: string): string {
  return path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')
}

function reference(): string {
  const parts = ORDER.map((title) => {
    const routes = ROUTES.filter((route) => sectionOf(route) === title)
    const rows = routes.map(
      ({ method, path, about }) => `| \`${method} ${pathText(path)}\` | ${about} |`,
    )
    const details = routes.filter(({ body }) => body !== undefined).map(detailsOf)
    return [
      `## ${title}`,
      '',
      '| request | what it gives |',
      '| --- | --- |',
      ...rows,
      '',
      ...details,
    ]
  })
  return `${[HEAD, ...parts.flat()].join('\n').trimEnd()}\n`
}

function detailsOf({ method, path, body, refuses = {} }: ApiRoute): string {
  const lines = [`### \`${method} ${pathText(path)}\``, '', `Takes ${code(bodyParameters(body))}.`]
  const refused = Object.entries(refuses).sort(([a], [b]) => a.localeCompare(b))
  if (refused.length > 0) lines.push('', `Refuses ${refusalText(refused)}.`)
  return `${lines.join('\n')}\n`
}

function code(names: readonly string[]): string {
  return names
    .map((name) => (name.endsWith('*') ? `**\`${name.slice(0, -1)}\`**` : `\`${name}\``))
    .join(', ')
}

function refusalText(refused: readonly [string, Refusals[string]][]): string {
  return refused
    .map(([name, harmless]) => {
      const values = harmless.map((value) => `\`${JSON.stringify(value)}\``).join(' or ')
      return values === '' ? `\`${name}\`` : `\`${name}\` (unless ${values})`
    })
    .join(', ')
}

const text = reference()
if (!process.argv.includes('--check')) await writeFile(PATH, text)
else if ((await readFile(PATH, 'utf8').catch(() => '')) !== text) {
  console.log('docs/api.md is not what the routes say: node scripts/api-reference.ts')
  process.exitCode = 1
}
