/** In a namespace: `stun-process.ts serve PORT` answers STUN; `stun-process.ts ask HOST:PORT…` says how it is seen. */
import { routerKind } from '../../packages/node/src/mesh/router-kind.ts'
import { startStunResponder } from '../../packages/node/src/mesh/stun-responder.ts'

const [verb, ...rest] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))
if (verb === 'serve') {
  await startStunResponder(Number(rest[0]))
  process.send?.('there')
} else {
  const result = await routerKind(rest).catch((error: Error) => error.message)
  process.send?.(result, () => process.exit(0))
}
