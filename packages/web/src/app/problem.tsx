/** What went wrong, said as soon as it is there. */
export function Problem({ text }: { text: string }) {
  if (text === '') return null
  return (
    <p class="problem" role="alert">
      {text}
    </p>
  )
}
