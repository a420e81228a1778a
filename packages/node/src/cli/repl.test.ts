import { PassThrough } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'
import type { ChatMessage } from '@freehold/core/device/text'
import { UsageError } from '@freehold/core/errors'
import { describe, expect, it } from 'vitest'
import type { ChatSettings } from './chat-settings.ts'
import { runRepl } from './repl.ts'

const SETTINGS: ChatSettings = {
  model: 'acorn',
  system: null,
  temperature: 0.8,
  maxTokens: undefined,
  seed: undefined,
  isVerbose: false,
}

/** Types lines into a chat whose model says how many messages it was given. */
async function chat(...lines: string[]) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const asked: { messages: ChatMessage[]; settings: ChatSettings }[] = []
  const kept: string[] = []
  input.end(lines.map((line) => `${line}\n`).join(''))
  await runRepl({
    settings: SETTINGS,
    input,
    output,
    history: { read: async () => [], add: async (text) => void kept.push(text) },
    answer: async (messages, settings) => {
      asked.push({ messages: [...messages], settings: { ...settings } })
      if (messages.at(-1)?.content === 'fail') throw new UsageError({ what: 'too long' })
      return `answer ${asked.length}`
    },
    describe: async (model) => {
      if (model === 'none') throw new UsageError({ what: 'no such model' })
      return `about ${model}`
    },
  })
  output.end()
  return { said: await readAll(output), asked, kept }
}

describe('runRepl', () => {
  it('default: each answer knows what was said before, until it is cleared', async () => {
    const { asked, kept } = await chat('one', '', 'two', '/clear', 'three', '/bye', 'four')
    const said = asked.map(({ messages }) => messages.map(({ content }) => content))
    expect(said).toEqual([['one'], ['one', 'answer 1', 'two'], ['three']])
    expect(kept).toEqual(['one', 'two', 'three'])
  })

  it('behaviour: a message may have several lines', async () => {
    const { asked } = await chat('"""first', '/bye', 'last"""', '"""both"""', '"""', 'x', '"""')
    expect(asked.map(({ messages }) => messages.at(-1)?.content)).toEqual([
      'first\n/bye\nlast',
      'both',
      'x',
    ])
  })

  it('behaviour: settings hold from then on', async () => {
    const { asked, kept } = await chat(
      '/set system Speak  like a pirate',
      '/set parameter temperature 0',
      '/set parameter seed 7',
      '/set verbose',
      '/set nohistory',
      'hi',
      '/load other',
      'hello',
    )
    expect(asked[0]).toEqual({
      messages: [
        { role: 'system', content: 'Speak  like a pirate' },
        { role: 'user', content: 'hi' },
      ],
      settings: {
        ...SETTINGS,
        system: 'Speak  like a pirate',
        temperature: 0,
        seed: '7',
        isVerbose: true,
      },
    })
    expect(asked[1]?.settings.model).toBe('other')
    expect(asked[1]?.messages).toHaveLength(2)
    expect(kept).toEqual([])
  })

  it('behaviour: what is shown and what is wrong is said, and the chat goes on', async () => {
    const { said, asked } = await chat(
      ...['/show info', '/show system', '/show parameters', '/?', '/? shortcuts', '/nonsense'],
      ...['/set parameter temperature 9', '/set colour red', '/load none', 'fail', 'see ./cat.png'],
      'still here',
    )
    for (const words of ['about acorn', 'No system message', 'temperature 0.8', '/bye', 'Ctrl-W']) {
      expect(said).toContain(words)
    }
    for (const words of [/no command/, /0 to 2/, /cannot be set/, /no such model/, /too long/]) {
      expect(said).toMatch(words)
    }
    expect(said).toMatch(/pictures/)
    // The message that failed is forgotten.
    expect(asked.map(({ messages }) => messages.length)).toEqual([1, 1])
  })
})
