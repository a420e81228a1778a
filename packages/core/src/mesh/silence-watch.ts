import type { Stream } from '@libp2p/interface'
import { LendingError } from '../errors.ts'
import type { Clock } from '../platform.ts'

/** Aborts its signal once a stream has brought nothing for so long; a slow one brings something. */
export interface SilenceWatch extends Disposable {
  readonly signal: AbortSignal
  /** Starts to count anew: until now nothing was expected. */
  touch(): void
}

export function watchSilence(
  stream: Pick<Stream, 'addEventListener' | 'removeEventListener'>,
  ms: number,
  clock: Clock,
): SilenceWatch {
  const silent = new AbortController()
  let cancel = () => {}
  const touch = () => {
    cancel()
    cancel = clock.after(ms, () => {
      const why = `nothing came for ${ms} ms`
      silent.abort(new LendingError('deadline', { what: 'the other device is silent', why }))
    })
  }
  stream.addEventListener('message', touch)
  touch()
  return {
    signal: silent.signal,
    touch,
    [Symbol.dispose]: () => {
      cancel()
      stream.removeEventListener('message', touch)
    },
  }
}
