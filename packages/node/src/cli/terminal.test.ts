import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hasScript, typed } from './terminal.fixture.ts'

let home: string
let running = () => false
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-terminal-'))
})
afterEach(async () => {
  running()
  await rm(home, { recursive: true, force: true })
})

const CTRL_G = '\x07'

describe.skipIf(!hasScript)('a chat in a terminal (skipped without script)', () => {
  it('default: Ctrl-G hands the line to the editor and takes back what it wrote', async () => {
    const editor = join(home, 'editor')
    // Lines become one: a line break would send what stands before it.
    await writeFile(editor, '#!/bin/sh\nprintf "%s" "/show parameters" > "$1"\n')
    await chmod(editor, 0o755)
    const init = {
      env: { FREEHOLD_HOME: home, FREEHOLD_NORESIDENT: '1', EDITOR: editor },
      onStart: (end: () => boolean) => {
        running = end
      },
    }
    const { code, shown } = await typed(
      'run acorn',
      init,
      [/Send a message/, `half a thought${CTRL_G}`],
      [/\/show parameters/, '\r'],
      [/temperature/, '/bye\r'],
    )
    expect(code).toBe(0)
    expect(shown).toMatch(/temperature +0\.8/)
  })

  it('behaviour: without an editor it says so, and the line stays', async () => {
    const init = {
      env: { FREEHOLD_HOME: home, FREEHOLD_NORESIDENT: '1', EDITOR: '', VISUAL: '' },
      onStart: (end: () => boolean) => {
        running = end
      },
    }
    const steps = [
      [/Send a message/, `/bye${CTRL_G}`],
      [/no editor is named/, '\r'],
    ] as const
    expect(await typed('run acorn', init, ...steps)).toMatchObject({ code: 0 })
  })
})
