import type { Token } from 'marked'
import { Component } from 'preact'
import { CodeBlock } from './code-block.tsx'
import { blocksOf, safeHtml } from './safe-html.ts'

/** A text of a model. While it grows only its last block is made anew. */
export function Markdown({ text }: { text: string }) {
  const blocks = blocksOf(text).filter(({ type }) => type !== 'space' && type !== 'def')
  return (
    <div class="markdown" dir="auto">
      {blocks.map((block, at) => (
        <Block key={at} block={block} />
      ))}
    </div>
  )
}

class Block extends Component<{ block: Token }> {
  override shouldComponentUpdate(next: { block: Token }): boolean {
    const { block } = this.props
    return next.block.raw !== block.raw || next.block.type !== block.type
  }

  render({ block }: { block: Token }) {
    if (block.type === 'code') return <CodeBlock code={block.text} language={block.lang ?? ''} />
    return <div dangerouslySetInnerHTML={{ __html: safeHtml(block) }} />
  }
}
