import { CopyButton } from '../app/copy-button.tsx'

/** Code as it is, with a button that copies it. Nothing ever runs it. */
export function CodeBlock({ code, language }: { code: string; language: string }) {
  return (
    <div class="code-block" dir="ltr">
      <div class="code-head">
        <span>{language.split(/\s/)[0]}</span>
        <CopyButton text={code} label="copyCode" />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it by keys */}
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </div>
  )
}
