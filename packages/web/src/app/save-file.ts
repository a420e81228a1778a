/** Hands a text to the person as a file, named for the day. */
export function saveFile(name: string, extension: string, type: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = `${name}-${new Date().toISOString().slice(0, 10)}.${extension}`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href))
}
