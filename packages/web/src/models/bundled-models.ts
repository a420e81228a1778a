/** A model that is served beside the app. */
export interface BundledModel {
  name: string
  /** Of its bytes, 64 hex digits; it lies at `models/<sha256>.gguf`. */
  sha256: string
  sizeBytes: number
}

/** Put in by the build, which read the files. The first one answers where nobody chose another. */
declare const BUNDLED_MODELS: readonly BundledModel[]

export const bundledModels = (): readonly BundledModel[] => BUNDLED_MODELS
