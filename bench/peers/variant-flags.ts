/**
 * The options of CMake that build ggml's CPU back-end for one of its own variants, such as `haswell`.
 * @param cmakeLists the text of `ggml/src/CMakeLists.txt`, which names what each variant may use
 * @param variant null: this platform ships a single build
 */
export function variantFlags(cmakeLists: string, variant: string | null): string[] {
  const native = ['-DGGML_NATIVE=ON']
  if (variant === null) return native
  const call = new RegExp(
    `ggml_add_cpu_backend_variant\\(${variant.replaceAll('.', '\\.')}\\s+(.*?)\\)`,
  )
  const features = call.exec(cmakeLists)?.[1]?.trim().split(/\s+/)
  // Only of x86 are the features options that can be set by hand.
  if (features === undefined || !features.includes('SSE42')) return native
  return ['-DGGML_NATIVE=OFF', ...features.map((feature) => `-DGGML_${feature}=ON`)]
}
