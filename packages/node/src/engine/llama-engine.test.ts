import { readFile, writeFile } from 'node:fs/promises'
import { brokenModels, setNumber } from '@freehold/core/engine/edited-models.fixture'
import { engineCompliance } from '@freehold/core/engine/engine.compliance'
import { parseGguf } from '@freehold/core/engine/gguf'
import { tensorlessGguf } from '@freehold/core/engine/tensorless-gguf'
import { EngineError, ModelError, UsageError } from '@freehold/core/errors'
import { afterAll, describe, expect, it } from 'vitest'
import { hashFile } from './hash-file.ts'
import { createLlamaEngine, type LlamaModel } from './llama-engine.ts'
import { ACORN, createBrokenModels } from './test-models.ts'

const broken = await createBrokenModels()
afterAll(async () => {
  await broken[Symbol.asyncDispose]()
})

const acorn = await readFile(ACORN)
const bad: Record<string, string> = {
  'a missing file': `${ACORN}.missing`,
  'a folder': new URL('.', import.meta.url).pathname,
}
for (const [what, bytes] of Object.entries(brokenModels(acorn))) {
  bad[what] = await broken.make(what, () => bytes)
}
/** Sound as a file, but a number in it makes llama.cpp abort. */
const aborting = await broken.make('aborting', (bytes) =>
  setNumber(bytes, 'llama.attention.head_count', 0),
)

engineCompliance('llama.cpp in a child process', {
  createEngine: () => createLlamaEngine(),
  model: ACORN,
  tensorless: await broken.make('tensorless', (bytes) => {
    const { dataOffset } = parseGguf(bytes, bytes.length)
    return tensorlessGguf(bytes, { sizeBytes: bytes.length, headerBytes: dataOffset }).gguf
  }),
  badModels: bad,
  crash(model) {
    const { pid } = model as LlamaModel
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  },
})

describe('llama engine', () => {
  it('default: the identity of a model is the SHA-256 of its file', async () => {
    await using engine = createLlamaEngine()
    await using model = await engine.load(ACORN, { contextTokens: 256, sequences: 1 })
    expect(model.info.modelId).toBe(await hashFile(ACORN))
    expect(model.info.profile).toMatchObject({ kvType: 'f16', flashAttn: false })
    expect(model.info.profile.engine).toMatch(/^llama\.cpp \S+ \(node-llama-cpp \S+\)$/)
    expect(model.pid).toBeGreaterThan(0)
  })

  it('behaviour: says at which byte a file is cut off, and which tensor that breaks', async () => {
    await using engine = createLlamaEngine()
    const cut = await broken.make('cut-in-half', (bytes) => bytes.subarray(0, bytes.length / 2))
    await expect(engine.load(cut)).rejects.toThrow(
      /ends at byte \d+, the tensor \S+ needs \d+\. Fetch it again/,
    )
  })

  it('behaviour: a file that crashes native code ends its own load only', async () => {
    await using engine = createLlamaEngine()
    await using model = await engine.load(ACORN, { contextTokens: 256, sequences: 1 })
    const error = await engine.load(aborting).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EngineError)
    expect((error as EngineError).message).toMatch(
      /died \((SIGABRT|exit status \d+)\) while it loaded the model: .*GGML_ASSERT/,
    )
    await using sequence = await model.openSequence()
    expect((await sequence.step(1)).ids.length).toBeGreaterThan(0)
  })

  it('behaviour: nothing worse happens when the checks are off', async () => {
    await using engine = createLlamaEngine({ skipChecks: true })
    const outcomes = await Promise.allSettled([
      engine.load(bad['a vocabulary without newline']!),
      engine.load(aborting),
    ])
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue
      expect([EngineError, ModelError]).toContain(outcome.reason.constructor)
    }
    await using model = await engine.load(ACORN, { contextTokens: 256, sequences: 1 })
    expect(await model.tokenize('a')).toHaveLength(1)
  })

  it('behaviour: a child killed in the middle of an answer is named so', async () => {
    await using engine = createLlamaEngine()
    await using model = await engine.load(ACORN, { contextTokens: 1024, sequences: 1 })
    await using sequence = await model.openSequence()
    let steps = 0
    const answer = (async () => {
      for (; steps < 1000; steps++) {
        await sequence.step(1)
        if (steps === 20) process.kill(model.pid ?? 0, 'SIGKILL')
      }
    })()
    await expect(answer).rejects.toThrow(/died \(SIGKILL\) while it computed\. The device goes on/)
    expect(steps).toBeGreaterThanOrEqual(20)
    expect(model.pid).toBeUndefined()
  })

  it('behaviour: refuses counts that make no sense', async () => {
    await using engine = createLlamaEngine()
    for (const init of [{ sequences: 0 }, { sequences: 1.5 }, { contextTokens: -1 }]) {
      await expect(engine.load(ACORN, init)).rejects.toThrow(UsageError)
    }
    await expect(engine.load(ACORN, { sequences: 10_000 })).rejects.toThrow(UsageError)
  })

  it('behaviour: a file that changes while it is loaded is refused', async () => {
    await using engine = createLlamaEngine()
    const path = await broken.make('changing', (bytes) => bytes)
    const loading = engine.load(path, { contextTokens: 256, sequences: 1 })
    setTimeout(() => void writeFile(path, 'x', { flag: 'a' }), 100)
    await expect(loading).rejects.toThrow(/changed while it was loaded/)
  })

  it('behaviour: passes on what llama.cpp says when asked', async () => {
    const lines: string[] = []
    await using engine = createLlamaEngine({ log: (_level, line) => lines.push(line) })
    await using model = await engine.load(ACORN, { contextTokens: 256, sequences: 1 })
    expect(model.info.vocabSize).toBeGreaterThan(0)
    expect(lines.join('\n')).toContain('llama_model_loader')
  })
})
