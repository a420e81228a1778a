/** What one side tells as it comes and another reads as it likes. */
export interface Told<Value> {
  push: (value: Value) => void
  /** Nothing more comes. With an error, reading ends with it at once, whatever still waits. */
  end: (error?: unknown) => void
  read: () => AsyncGenerator<Value, void, void>
}

export function createTold<Value>(): Told<Value> {
  const waiting: Value[] = []
  let ended: { error: unknown } | undefined
  let wake = () => {}
  return {
    push(value) {
      waiting.push(value)
      wake()
    },
    end(error) {
      ended ??= { error }
      wake()
    },
    async *read() {
      for (;;) {
        if (ended?.error !== undefined) throw ended.error
        if (waiting.length > 0) yield waiting.shift() as Value
        else if (ended !== undefined) return
        else {
          const { promise, resolve } = Promise.withResolvers<void>()
          wake = resolve
          await promise
        }
      }
    },
  }
}
