import type { FormHTMLAttributes } from 'preact'

export interface FormProps extends Omit<FormHTMLAttributes, 'onSubmit'> {
  onSubmit: () => void
}

/** A form that is answered by this page. */
export function Form({ onSubmit, ...rest }: FormProps) {
  return (
    <form
      {...rest}
      onSubmit={(event) => {
        event.preventDefault()
        onSubmit()
      }}
    />
  )
}
