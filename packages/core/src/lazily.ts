/** A service all of whose methods can wait. */
type Waiting<T> = { [K in keyof T]: (...args: never[]) => PromiseLike<unknown> }

/**
 * A service that is loaded when it is first asked for something. Whoever never asks loads nothing.
 * @param load called once, unless it fails
 */
export function lazily<T extends Waiting<T>>(load: () => Promise<T>): T {
  let loading: Promise<T> | null = null
  const service = async () => {
    loading ??= load()
    return loading.catch((error) => {
      loading = null
      throw error
    })
  }
  const methods = new Map<PropertyKey, (...args: never[]) => Promise<unknown>>()
  const get = (_: object, name: PropertyKey) => {
    // It is a service, not a promise of one.
    if (name === 'then') return undefined
    const known = methods.get(name)
    if (known !== undefined) return known
    const method = async (...args: never[]) => (await service())[name as keyof T](...args)
    methods.set(name, method)
    return method
  }
  return new Proxy({}, { get }) as T
}
