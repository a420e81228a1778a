import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EngineError, ModelError } from '../errors.ts'
import { type Engine, type Model, type Sequence, TOP_LOGITS, type TopLogits } from './engine.ts'

export interface EngineComplianceInit {
  createEngine(): Engine | Promise<Engine>
  /** Source of a small model with a chat template, a context of at least 1024 and an end token. */
  model: string
  /** Sources that are no loadable model, each with what is wrong with it. */
  badModels: Readonly<Record<string, string>>
  /** The same model without its tensors. Left out where an engine loads whole models only. */
  tensorless?: string | undefined
  /** Kills what computes for `model`, as a native crash would. Left out where nothing can die. */
  crash?: ((model: Model) => void | Promise<void>) | undefined
  /** Mean difference of logits that batching may make. @default 0.1 */
  toleranceLogits?: number | undefined
}

const CONTEXT_TOKENS = 768
const SEQUENCES = 3
const TEXT =
  'A small model runs on your own device. When it is not enough, you borrow an answer from a peer, ' +
  'and you check that the promised model really wrote it. '

/** Tests that every `Engine` must pass. Floating-point results are compared, never equated. */
export function engineCompliance(name: string, init: EngineComplianceInit): void {
  const tolerance = init.toleranceLogits ?? 0.1

  describe(`engine compliance: ${name}`, () => {
    let engine: Engine
    let model: Model
    let ids: number[]

    beforeAll(async () => {
      engine = await init.createEngine()
      model = await engine.load(init.model, {
        contextTokens: CONTEXT_TOKENS,
        sequences: SEQUENCES,
      })
      ids = []
      while (ids.length < CONTEXT_TOKENS) ids.push(...(await model.tokenize(TEXT)))
      ids.length = CONTEXT_TOKENS
    })
    afterAll(async () => {
      await engine[Symbol.asyncDispose]()
    })

    /** Runs `use` with a fresh sequence and closes it. */
    async function withSequence<T>(use: (sequence: Sequence) => Promise<T>): Promise<T> {
      await using sequence = await model.openSequence()
      return await use(sequence)
    }

    async function stepThrough(sequence: Sequence, steps: readonly number[]): Promise<TopLogits[]> {
      const positions: TopLogits[] = []
      for (const id of steps) positions.push(await sequence.step(id))
      return positions
    }

    function expectClose(actual: readonly TopLogits[], expected: readonly TopLogits[]): void {
      expect(actual).toHaveLength(expected.length)
      for (const [index, position] of actual.entries()) {
        expect(meanDifference(position, expected[index]!)).toBeLessThan(tolerance)
        expect(lossOfTop(position, expected[index]!)).toBeLessThan(tolerance)
      }
    }

    describe('load', () => {
      it('default: tells what it loaded', () => {
        const { info } = model
        expect(info.modelId).toMatch(/^[0-9a-f]{64}$/)
        expect(info.name).not.toBe('')
        expect(info.architecture).not.toBe('')
        expect(info.sizeBytes).toBeGreaterThan(0)
        expect(info.vocabSize).toBeGreaterThan(0)
        expect(info.contextTokens).toBe(CONTEXT_TOKENS)
        expect(info.chatTemplate).not.toBe('')
        expect(info.eosText).not.toBe('')
        expect(info.endIds.length).toBeGreaterThan(0)
        expect(info.endIds).toEqual([...new Set(info.endIds)].sort((a, b) => a - b))
        for (const id of info.endIds) expect(id).toBeLessThan(info.vocabSize)
        expect(info.profile.engine).not.toBe('')
        expect(info.profile.isa).not.toBe('')
      })

      it('behaviour: gives no more context than the model was made for', async () => {
        await using other = await engine.load(init.model, {
          contextTokens: 10_000_000,
          sequences: 1,
        })
        expect(other.info.contextTokens).toBeLessThan(10_000_000)
        expect(other.info.modelId).toBe(model.info.modelId)
      })

      for (const [what, source] of Object.entries(init.badModels)) {
        it(`behaviour: refuses ${what} with a ModelError`, async () => {
          const error = await engine.load(source).catch((thrown: unknown) => thrown)
          expect(error).toBeInstanceOf(ModelError)
          expect((error as ModelError).why ?? '').not.toBe('')
        })
      }

      it.runIf(init.tensorless !== undefined)(
        'behaviour: the vocabulary alone needs no tensors, and computes nothing',
        async () => {
          await using words = await engine.load(init.tensorless ?? '', { vocabOnly: true })
          expect(words.info).toMatchObject({
            ...model.info,
            modelId: expect.not.stringMatching(model.info.modelId),
            sizeBytes: expect.any(Number),
            contextTokens: expect.any(Number),
            profile: expect.anything(),
          })
          expect(words.info.contextTokens).toBeGreaterThanOrEqual(CONTEXT_TOKENS)
          const some = await words.tokenize(TEXT)
          expect(some).toEqual(await model.tokenize(TEXT))
          expect(await words.detokenize(some)).toBe(TEXT)
          await expect(words.openSequence()).rejects.toThrow(ModelError)
        },
      )

      it('behaviour: goes on after a bad model', async () => {
        expect(await model.tokenize(TEXT)).not.toHaveLength(0)
      })

      it('behaviour: stops when it is aborted', async () => {
        const reason = new Error('changed my mind')
        await expect(engine.load(init.model, { signal: AbortSignal.abort(reason) })).rejects.toBe(
          reason,
        )
        const controller = new AbortController()
        const loading = engine.load(init.model, { signal: controller.signal })
        setTimeout(() => controller.abort(reason), 5)
        await expect(loading).rejects.toBe(reason)
      })
    })

    describe('tokens', () => {
      it('default: text comes back from its tokens', async () => {
        const texts = [
          '',
          'hello',
          TEXT,
          'a\n\n\tb  c',
          'naïve café – „so“',
          '你好, мир',
          '🌰🧭',
          '\u0000x',
        ]
        for (const text of texts) {
          expect(await model.detokenize(await model.tokenize(text))).toBe(text)
        }
      })

      it('behaviour: the text of a control token is the token only when asked', async () => {
        const { eosText, endIds } = model.info
        const special = await model.tokenize(eosText, { special: true })
        expect(special).toHaveLength(1)
        expect(endIds).toContain(special[0])
        expect(await model.detokenize(special)).toBe('')
        const plain = await model.tokenize(eosText)
        expect(plain).not.toEqual(special)
        expect(await model.detokenize(plain)).toBe(eosText)
      })

      it('behaviour: an unfinished character ends in U+FFFD', async () => {
        const acorn = await model.tokenize('🌰')
        if (acorn.length < 2) return
        expect(await model.detokenize(acorn.slice(0, -1))).toMatch(/\ufffd$/)
      })

      it('behaviour: refuses ids that the vocabulary lacks', async () => {
        for (const id of [model.info.vocabSize, -1, 0.5, Number.NaN]) {
          await expect(model.detokenize([id])).rejects.toThrow(EngineError)
          await withSequence(async (sequence) => {
            await expect(sequence.step(id)).rejects.toThrow(EngineError)
            await expect(sequence.prefill([id])).rejects.toThrow(EngineError)
            expect(sequence.length).toBe(0)
          })
        }
      })
    })

    describe('logits', () => {
      it('default: the highest come first, equal ones by lower id', async () => {
        const positions = await withSequence((sequence) =>
          sequence.prefill(ids.slice(0, 40), { logitsFrom: 0 }),
        )
        expect(positions).toHaveLength(40)
        for (const { ids: top, logits } of positions) {
          expect(top).toBeInstanceOf(Uint32Array)
          expect(logits).toBeInstanceOf(Float32Array)
          expect(top).toHaveLength(Math.min(TOP_LOGITS, model.info.vocabSize))
          expect(logits).toHaveLength(top.length)
          expect(new Set(top).size).toBe(top.length)
          for (let rank = 0; rank < top.length; rank++) {
            expect(Number.isFinite(logits[rank])).toBe(true)
            expect(top[rank]).toBeLessThan(model.info.vocabSize)
            if (rank === 0) continue
            const isInOrder =
              logits[rank]! < logits[rank - 1]! ||
              (logits[rank] === logits[rank - 1] && top[rank]! > top[rank - 1]!)
            expect(isInOrder).toBe(true)
          }
        }
      })

      it('behaviour: logitsFrom says after which ids they are wanted', async () => {
        const prompt = ids.slice(0, 10)
        await withSequence(async (sequence) => {
          expect(await sequence.prefill([])).toEqual([])
          expect(sequence.length).toBe(0)
          expect(await sequence.prefill(prompt)).toHaveLength(1)
          expect(await sequence.prefill(prompt, { logitsFrom: 7 })).toHaveLength(3)
          expect(await sequence.prefill(prompt, { logitsFrom: 10 })).toHaveLength(0)
          expect(sequence.length).toBe(30)
          await expect(sequence.prefill(prompt, { logitsFrom: -1 })).rejects.toThrow(EngineError)
          await expect(sequence.prefill(prompt, { logitsFrom: 11 })).rejects.toThrow(EngineError)
          expect(sequence.length).toBe(30)
        })
      })

      it('behaviour: a prefill over several batches has logits for each position', async () => {
        const seen: number[] = []
        const [whole, last] = await withSequence(async (sequence) => [
          await sequence.prefill(ids.slice(0, 700), {
            logitsFrom: 0,
            onProgress: (done) => seen.push(done),
          }),
          await sequence.step(ids[700]!),
        ])
        expect(whole).toHaveLength(700)
        expect(seen.length).toBeGreaterThan(1)
        expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
        expect(seen.at(-1)).toBe(700)
        const tail = await withSequence((sequence) =>
          sequence.prefill(ids.slice(0, 701), { logitsFrom: 690 }),
        )
        expectClose([...whole!.slice(690), last!], tail)
      })

      it('behaviour: stepping gives what a prefill gives', async () => {
        const prompt = ids.slice(0, 24)
        const stepped = await withSequence((sequence) => stepThrough(sequence, prompt))
        const prefilled = await withSequence((sequence) =>
          sequence.prefill(prompt, { logitsFrom: 0 }),
        )
        expectClose(stepped, prefilled)
      })

      it('behaviour: the same calls give the same again', async () => {
        const run = () => withSequence((sequence) => stepThrough(sequence, ids.slice(0, 16)))
        expectClose(await run(), await run())
      })

      it('behaviour: what came before matters', async () => {
        const [one, other] = await Promise.all([
          withSequence((sequence) => stepThrough(sequence, [ids[0]!, ids[5]!])),
          withSequence((sequence) => stepThrough(sequence, [ids[9]!, ids[5]!])),
        ])
        expect(meanDifference(one[1]!, other[1]!)).toBeGreaterThan(0)
      })

      it('behaviour: sequences in lock-step do not disturb each other', async () => {
        const prompts = [ids.slice(0, 20), ids.slice(7, 27), ids.slice(3, 100)]
        const alone: TopLogits[][] = []
        for (const prompt of prompts) {
          alone.push(await withSequence((sequence) => stepThrough(sequence, prompt)))
        }
        const together = await Promise.all(
          prompts.map((prompt) => withSequence((sequence) => stepThrough(sequence, prompt))),
        )
        for (const [index, positions] of together.entries()) expectClose(positions, alone[index]!)
      })

      it('behaviour: a long prefill beside steps disturbs neither', async () => {
        const [stepped, prefilled] = await Promise.all([
          withSequence((sequence) => stepThrough(sequence, ids.slice(0, 30))),
          withSequence((sequence) => sequence.prefill(ids.slice(0, 600), { logitsFrom: 0 })),
        ])
        expectClose(stepped, prefilled.slice(0, 30))
      })
    })

    describe('limits', () => {
      it('default: a sequence holds contextTokens and says when it is full', async () => {
        await withSequence(async (sequence) => {
          await expect(sequence.prefill([...ids, ids[0]!])).rejects.toThrow(EngineError)
          expect(sequence.length).toBe(0)
          await sequence.prefill(ids.slice(0, -1))
          await expect(sequence.prefill(ids.slice(0, 2))).rejects.toThrow(EngineError)
          const last = await sequence.step(ids.at(-1)!)
          expect(last.ids.length).toBeGreaterThan(0)
          expect(sequence.length).toBe(CONTEXT_TOKENS)
          await expect(sequence.step(ids[0]!)).rejects.toThrow(EngineError)
          expect(sequence.length).toBe(CONTEXT_TOKENS)
        })
      })

      it('behaviour: who finds all sequences taken waits for one', async () => {
        const open = await Promise.all(
          Array.from({ length: SEQUENCES }, () => model.openSequence()),
        )
        let hasOpened = false
        const waiting = model.openSequence().then((sequence) => {
          hasOpened = true
          return sequence
        })
        const reason = new Error('waited too long')
        const controller = new AbortController()
        const impatient = model.openSequence({ signal: controller.signal })
        controller.abort(reason)
        await expect(impatient).rejects.toBe(reason)
        await open[0]!.step(ids[0]!)
        expect(hasOpened).toBe(false)
        await open[0]![Symbol.asyncDispose]()
        await using sequence = await waiting
        expect(sequence.length).toBe(0)
        await Promise.all(open.map((other) => other[Symbol.asyncDispose]()))
      })

      it('behaviour: a sequence that is opened again remembers nothing', async () => {
        const prompt = ids.slice(100, 116)
        const before = await withSequence((sequence) => stepThrough(sequence, prompt))
        await Promise.all(
          Array.from({ length: SEQUENCES }, () =>
            withSequence((sequence) => sequence.prefill(ids.slice(0, 300))),
          ),
        )
        const after = await withSequence((sequence) => stepThrough(sequence, prompt))
        expectClose(after, before)
      })
    })

    describe('abort', () => {
      it('default: a prefill stops between batches', async () => {
        await withSequence(async (sequence) => {
          const reason = new Error('enough')
          const controller = new AbortController()
          const prefill = sequence.prefill(ids.slice(0, 760), {
            signal: controller.signal,
            onProgress: () => controller.abort(reason),
          })
          await expect(prefill).rejects.toBe(reason)
          await sequence.step(ids[0]!)
          expect(sequence.length).toBeGreaterThan(1)
          expect(sequence.length).toBeLessThan(760)
        })
      })

      it('behaviour: what is aborted before it starts takes nothing in', async () => {
        const reason = new Error('too late')
        const signal = AbortSignal.abort(reason)
        await withSequence(async (sequence) => {
          await expect(sequence.prefill(ids.slice(0, 8), { signal })).rejects.toBe(reason)
          await expect(sequence.step(ids[0]!, { signal })).rejects.toBe(reason)
          expect(sequence.length).toBe(0)
        })
        await expect(model.openSequence({ signal })).rejects.toBe(reason)
      })

      it('behaviour: an aborted step leaves the other sequences alone', async () => {
        const prompt = ids.slice(0, 12)
        const alone = await withSequence((sequence) => stepThrough(sequence, prompt))
        const [together] = await Promise.all([
          withSequence((sequence) => stepThrough(sequence, prompt)),
          withSequence(async (sequence) => {
            for (const id of prompt) {
              const controller = new AbortController()
              const step = sequence.step(id, { signal: controller.signal })
              queueMicrotask(() => controller.abort(new Error('no')))
              await step.catch(() => {})
            }
          }),
        ])
        expectClose(together, alone)
      })
    })

    describe('closing', () => {
      it('default: a closed model refuses, and leaves the others alone', async () => {
        const other = await engine.load(init.model, { contextTokens: 256, sequences: 1 })
        const sequence = await other.openSequence()
        await sequence.step(ids[0]!)
        const waiting = other.openSequence().catch((error: unknown) => error)
        await other[Symbol.asyncDispose]()
        await other[Symbol.asyncDispose]()
        expect(await waiting).toBeInstanceOf(EngineError)
        await expect(sequence.step(ids[0]!)).rejects.toThrow(EngineError)
        await expect(other.tokenize('x')).rejects.toThrow(EngineError)
        await expect(other.openSequence()).rejects.toThrow(EngineError)
        await sequence[Symbol.asyncDispose]()
        expect(await model.tokenize(TEXT)).not.toHaveLength(0)
      })

      it('behaviour: a closed sequence refuses', async () => {
        const sequence = await model.openSequence()
        await sequence[Symbol.asyncDispose]()
        await sequence[Symbol.asyncDispose]()
        await expect(sequence.step(ids[0]!)).rejects.toThrow(EngineError)
        await expect(sequence.prefill(ids.slice(0, 2))).rejects.toThrow(EngineError)
      })

      it('behaviour: a closed engine refuses', async () => {
        const other = await init.createEngine()
        const loaded = await other.load(init.model, { contextTokens: 256, sequences: 1 })
        await other[Symbol.asyncDispose]()
        await other[Symbol.asyncDispose]()
        await expect(loaded.tokenize('x')).rejects.toThrow(EngineError)
        await expect(other.load(init.model)).rejects.toThrow(EngineError)
      })
    })

    const { crash } = init
    if (crash === undefined) return
    describe('crash', () => {
      it('default: ends the calls of its model with an EngineError and nothing else', async () => {
        const other = await engine.load(init.model, { contextTokens: 768, sequences: 2 })
        const sequence = await other.openSequence()
        const stepping = await other.openSequence()
        const calls = [
          sequence.prefill(ids.slice(0, 760), { logitsFrom: 0 }),
          stepThrough(stepping, ids.slice(0, 700)),
          other.openSequence(),
        ].map((call) => call.catch((error: unknown) => error))
        await crash(other)
        for (const call of calls) expect(await call).toBeInstanceOf(EngineError)
        await expect(sequence.step(ids[0]!)).rejects.toThrow(EngineError)
        await expect(other.tokenize('x')).rejects.toThrow(EngineError)
        await sequence[Symbol.asyncDispose]()
        await other[Symbol.asyncDispose]()

        await withSequence((survivor) => survivor.step(ids[0]!))
        await using again = await engine.load(init.model, { contextTokens: 256, sequences: 1 })
        await using fresh = await again.openSequence()
        expect((await fresh.step(ids[0]!)).ids.length).toBeGreaterThan(0)
      })
    })
  })
}

/** Mean |difference| of the logits of those ids that both have. */
function meanDifference(a: TopLogits, b: TopLogits): number {
  const known = new Map(Array.from(b.ids, (id, index) => [id, b.logits[index]!]))
  let sum = 0
  let count = 0
  for (const [index, id] of a.ids.entries()) {
    const other = known.get(id)
    if (other === undefined) continue
    sum += Math.abs(a.logits[index]! - other)
    count++
  }
  return count === 0 ? Number.POSITIVE_INFINITY : sum / count
}

/** How far below the best of `b` the best id of `a` is there. */
function lossOfTop(a: TopLogits, b: TopLogits): number {
  const rank = b.ids.indexOf(a.ids[0]!)
  return rank < 0 ? Number.POSITIVE_INFINITY : b.logits[0]! - b.logits[rank]!
}
