import { parseArgs } from 'node:util'
import { fuzzEngine } from './fuzz/fuzz-engine.ts'
import { fuzzHeaders } from './fuzz/fuzz-headers.ts'

/**
 * Shows mutated GGUFs to what sees every file first, and to engines: `node scripts/fuzz-gguf.ts
 * [--inputs 1000000] [--engine 2000] [--seed N]`. The last line is a JSON object. Exit status 1 when
 * anything ended in another way than with a sound load or a clear error.
 */
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    engine: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
  },
})
const say = (text: string) => process.stderr.write(`${text}\n`)
const { seed } = values
const headers = await fuzzHeaders({ inputs: Number(values.inputs), seed, say })
const engine = await fuzzEngine({ inputs: Number(values.engine), seed, say })
console.log(JSON.stringify({ seed, headers, engine }))
process.exit(headers.crashes + engine.crashes + engine.slow === 0 ? 0 : 1)
