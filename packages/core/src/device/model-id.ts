/** Whether what was typed can only be a model's id. */
export function isModelId(text: string): boolean {
  return /^[0-9a-f]{64}$/i.test(text)
}
