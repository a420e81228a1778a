import type { Profile } from '../engine/engine.ts'
import { bool, type Field, record, text, word } from './field.ts'

export const profileField: Field<Profile> = record({
  engine: text(96),
  backend: word('cpu', 'metal', 'cuda', 'vulkan', 'wasm', 'webgpu'),
  isa: text(48),
  kvType: word('f16', 'f32', 'q8_0'),
  flashAttn: bool(),
  relaxedSimd: bool(),
})
