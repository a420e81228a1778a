/** Which models this device has, and what can be done with them: between the API and the store. */

/** A model on this device. */
export interface ManagedModel {
  /** What people call it. */
  name: string
  /** What the engine loads it by. */
  source: string
  /** The same for all paths of one file. @default its path */
  place?: string | undefined
  sizeBytes: number
  /** Milliseconds since 1970. */
  modifiedMs: number
  /** What the store of another program says its id is; nobody has looked. For lists alone. */
  saidId?: string | undefined
}

/** What a model says of itself. */
export interface ModelDetails extends ManagedModel {
  /** SHA-256 of its bytes, hex. */
  modelId: string
  architecture: string
  quantisation: string
  parameters: number
  /** That it was made for; a loaded one may have less. */
  contextTokens: number
  chatTemplate: string
  license: string
  /** Plain values of its metadata. */
  metadata: Readonly<Record<string, string | number | boolean>>
}

/** One line of what a pull or a creation does; `total` and `completed` count bytes. */
export interface ManagerProgress {
  status: string
  digest?: string | undefined
  total?: number | undefined
  completed?: number | undefined
}

export interface ModelManager {
  list(): Promise<ManagedModel[]>
  /** null: the name means nothing here. */
  find(name: string): Promise<ManagedModel | null>
  /**
   * Its id takes reading the whole file, once. In a list it is what the store of another program says,
   * where that says anything.
   * @throws ModelError when its file cannot be read
   */
  describe(model: ManagedModel, how?: { isListing?: boolean | undefined }): Promise<ModelDetails>
  /** What changes the store. */
  readonly store: ModelStore
}

/** @throws UsageError, NoSuchModelError, ModelError */
export interface ModelStore {
  pull(name: string, init: { signal?: AbortSignal | undefined }): AsyncGenerator<ManagerProgress>
  /** Another name for a model that is here. */
  copy(from: string, to: string): Promise<void>
  remove(name: string): Promise<void>
}
