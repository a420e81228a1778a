import type { TargetedInputEvent } from 'preact'
import { useId } from 'preact/hooks'

export interface TextFieldProps {
  label: string
  value: string
  onValue: (value: string) => void
  hint?: string
  isSecret?: boolean
  autocomplete?: string
  isWide?: boolean
  isRequired?: boolean
}

/** A labelled line of text. */
export function TextField(props: TextFieldProps) {
  const { label, value, onValue, hint, isWide = false } = props
  const id = useId()
  const hintId = `${id}-hint`
  const common = {
    id,
    value,
    required: props.isRequired ?? false,
    autocomplete: props.autocomplete ?? 'off',
    autocapitalize: 'none',
    spellcheck: false,
    dir: 'auto',
    'aria-describedby': hint === undefined ? undefined : hintId,
    onInput: ({ currentTarget }: TargetedInputEvent<HTMLInputElement>) =>
      onValue(currentTarget.value),
  } as const
  return (
    <label class={isWide ? 'wide' : undefined} for={id}>
      {label}
      {hint !== undefined && <small id={hintId}>{hint}</small>}
      {props.isSecret ? <input type="password" {...common} /> : <input type="text" {...common} />}
    </label>
  )
}
