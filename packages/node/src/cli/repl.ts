import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { ChatMessage } from '@freehold/core/device/text'
import { FreeholdError, UsageError } from '@freehold/core/errors'
import { type ChatHistory, NO_HISTORY } from './chat-history.ts'
import { type ChatSettings, setSetting, showSettings } from './chat-settings.ts'
import { imageIn, NO_VISION } from './images.ts'

export interface ReplInit {
  settings: ChatSettings
  input: NodeJS.ReadableStream
  /** Where the prompt and what is said about the chat goes. */
  output: NodeJS.WritableStream
  /** Lines of earlier chats. */
  history?: ChatHistory | undefined
  /** Answers the conversation so far, showing it as it comes; null when nothing came. */
  answer(
    messages: readonly ChatMessage[],
    settings: ChatSettings,
    signal: AbortSignal,
  ): Promise<string | null>
  /** What is known of the model. */
  describe(model: string): Promise<string>
}

const PROMPT = '>>> '
const MORE = '... '
const QUOTES = '"""'
const HELP = `/set system TEXT           say how the model should behave
/set parameter NAME VALUE  temperature, max_tokens or seed
/set verbose | quiet       say how each answer went, or not
/set history | nohistory   keep what you type for later chats, or not
/show info | system | parameters
/load MODEL                go on with another model
/clear                     forget the conversation
/bye                       leave
/? shortcuts               keys
${QUOTES} begins and ends a message of several lines.`
const SHORTCUTS = `Ctrl-A, Ctrl-E  start and end of the line     Alt-B, Alt-F  a word back and on
Ctrl-K, Ctrl-U  cut to the end, to the start  Ctrl-W        cut a word
Ctrl-L          clear the screen              Ctrl-G        edit in $EDITOR
Ctrl-C          stop the answer               Ctrl-D        leave`

/** A conversation in a terminal, with the keys and commands that people know. Ends with /bye or Ctrl-D. */
export async function runRepl(init: ReplInit): Promise<void> {
  const { input, output, history = NO_HISTORY } = init
  const settings = { ...init.settings }
  let messages: ChatMessage[] = []
  let isKept = true
  let quoted: string[] | null = null
  let stop: AbortController | null = null
  let isClosed = false
  const say = (text: string) => output.write(`${text}\n`)

  const lines = createInterface({
    input,
    output,
    prompt: PROMPT,
    history: [...(await history.read())],
    removeHistoryDuplicates: true,
  })
  lines.on('close', () => {
    isClosed = true
  })
  const ask = () => {
    if (isClosed) return
    lines.setPrompt(quoted === null ? PROMPT : MORE)
    lines.prompt()
  }
  lines.on('SIGINT', () => {
    if (stop !== null) return stop.abort(new DOMException('interrupted', 'AbortError'))
    quoted = null
    output.write('\n')
    if (lines.line === '') say('Ctrl-D or /bye leaves.')
    // What was typed is thrown away.
    lines.write(null, { ctrl: true, name: 'e' })
    lines.write(null, { ctrl: true, name: 'u' })
    ask()
  })
  const keys = editInEditor(lines, input, say)

  /** @returns whether the chat goes on */
  async function take(line: string): Promise<boolean> {
    const text = gather(line)
    if (text === null || text.trim() === '') return true
    if (quoted === null && text.startsWith('/') && !text.includes('\n')) return command(text.trim())
    const image = imageIn(text)
    if (image !== null) {
      say(`${image} cannot be looked at: ${NO_VISION}.`)
      return true
    }
    if (isKept) await history.add(text)
    messages.push({ role: 'user', content: text })
    stop = new AbortController()
    const system = settings.system === null ? [] : [systemMessage(settings.system)]
    try {
      const answered = await init.answer([...system, ...messages], settings, stop.signal)
      if (answered === null) messages.pop()
      else messages.push({ role: 'assistant', content: answered })
    } catch (error) {
      messages.pop()
      if (!(error instanceof FreeholdError) && !stop.signal.aborted) throw error
      // Behind what has come of the answer.
      output.write('\n')
      if (!stop.signal.aborted) say((error as Error).message)
    } finally {
      stop = null
    }
    return true
  }

  /** One message, which may have come in several lines; null while it goes on. */
  function gather(line: string): string | null {
    if (quoted === null) {
      if (!line.startsWith(QUOTES)) return line
      const rest = line.slice(QUOTES.length)
      if (rest.endsWith(QUOTES)) return rest.slice(0, -QUOTES.length)
      quoted = rest === '' ? [] : [rest]
      return null
    }
    if (!line.endsWith(QUOTES)) {
      quoted.push(line)
      return null
    }
    const last = line.slice(0, -QUOTES.length)
    const whole = [...quoted, ...(last === '' ? [] : [last])].join('\n')
    quoted = null
    return whole
  }

  async function command(text: string): Promise<boolean> {
    const [verb = '', what = '', ...rest] = text.split(/\s+/)
    try {
      if (verb === '/bye' || verb === '/exit') return false
      if (verb === '/?' || verb === '/help') say(what === 'shortcuts' ? SHORTCUTS : HELP)
      else if (verb === '/clear') {
        messages = []
        say('Forgotten.')
      } else if (verb === '/load') {
        if (what === '') throw new UsageError({ what: 'which model?', next: '/load MODEL' })
        say(await init.describe(what))
        settings.model = what
        messages = []
      } else if (verb === '/show') {
        say(what === 'info' ? await init.describe(settings.model) : showSettings(settings, what))
      } else if (verb === '/set' && (what === 'history' || what === 'nohistory')) {
        isKept = what === 'history'
      } else if (verb === '/set') {
        setSetting(settings, what, text.replace(/^\/set\s+\S+\s*/, ''), rest)
      } else say(`${verb} is no command. /? lists them.`)
    } catch (error) {
      if (!(error instanceof FreeholdError)) throw error
      say(error.message)
    }
    return true
  }

  say('Send a message (/? for help)')
  ask()
  try {
    for await (const line of lines) {
      if (!(await take(line))) break
      ask()
    }
  } finally {
    keys()
    lines.close()
  }
}

function systemMessage(content: string): ChatMessage {
  return { role: 'system', content }
}

/** Ctrl-G hands the line to $EDITOR. @returns what takes the key away again */
function editInEditor(
  lines: Interface,
  input: NodeJS.ReadableStream,
  say: (text: string) => void,
): () => void {
  const onKey = (_: unknown, key: { ctrl?: boolean; name?: string } | undefined) => {
    if (key?.ctrl && key.name === 'g') void edit()
  }
  const edit = async () => {
    lines.pause()
    try {
      const text = await textFromEditor(lines.line)
      lines.write(null, { ctrl: true, name: 'e' })
      lines.write(null, { ctrl: true, name: 'u' })
      // A line break would send what stands before it.
      lines.write(text.trimEnd().replaceAll('\n', ' '))
    } catch (error) {
      say(error instanceof Error ? error.message : String(error))
    } finally {
      lines.resume()
    }
  }
  input.on('keypress', onKey)
  return () => input.off('keypress', onKey)
}

async function textFromEditor(text: string): Promise<string> {
  const editor = process.env.VISUAL || process.env.EDITOR
  if (!editor) throw new UsageError({ what: 'no editor is named', next: 'Set EDITOR' })
  const folder = await mkdtemp(join(tmpdir(), 'freehold-edit-'))
  try {
    const file = join(folder, 'message.txt')
    await writeFile(file, text)
    const child = spawn(editor, [file], { stdio: 'inherit', shell: true })
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw new UsageError({ what: `${editor} failed`, why: `status ${code}` })
    return await readFile(file, 'utf8')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
