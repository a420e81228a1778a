import DOMPurify from 'dompurify'
import { Marked, type Token, type TokensList } from 'marked'
import { say } from '../words/words.ts'

const TAGS =
  'p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li table thead tbody tr th td a'.split(
    ' ',
  )
const SCHEMES = /^(?:https?|mailto):/i

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // Tags in an answer are words like others.
    html: ({ text }) => escaped(text),
    // An image is fetched from wherever the text says: that would tell somebody what was said here.
    image: ({ href, text }) =>
      `<a href="${escaped(href)}">${escaped(`${text} (${say('imageNotLoaded')})`.trim())}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
})

/** The blocks of a text, in order. Blocks of a growing text stay as they are but for the last. */
export function blocksOf(text: string): TokensList {
  return marked.lexer(text)
}

/** HTML of one block that cannot run anything, load anything or go anywhere by itself. */
export function safeHtml(block: Token): string {
  const purify = sanitizer()
  return purify.sanitize(marked.parser([block]), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ['href', 'start', 'align'],
    ALLOWED_URI_REGEXP: SCHEMES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  })
}

let made: ReturnType<typeof DOMPurify> | undefined

function sanitizer() {
  if (made !== undefined) return made
  made = DOMPurify(window)
  made.addHook('afterSanitizeAttributes', (node) => {
    if (node.tagName !== 'A') return
    node.setAttribute('target', '_blank')
    node.setAttribute('rel', 'noopener noreferrer')
  })
  return made
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
