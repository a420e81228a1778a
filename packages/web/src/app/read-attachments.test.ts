import { describe, expect, it } from 'vitest'
import { readAttachments } from './read-attachments.ts'

describe('attachments', () => {
  it('default: files are text, in their order', async () => {
    const files = [new File(['alpha ä'], 'a.txt'), new File([''], 'empty.md')]
    expect(await readAttachments(files)).toEqual({
      read: [
        { name: 'a.txt', text: 'alpha ä' },
        { name: 'empty.md', text: '' },
      ],
      problems: [],
    })
  })

  it('behaviour: what is too large or no text is left out, and named', async () => {
    const files = [
      new File(['x'.repeat(200_001)], 'large.txt'),
      new File([new Uint8Array([0xff, 0xfe, 0x41])], 'picture.png'),
      new File(['a\0b'], 'binary'),
      new File(['x'.repeat(200_000)], 'fits.txt'),
    ]
    const { read, problems } = await readAttachments(files)
    expect(read.map(({ name }) => name)).toEqual(['fits.txt'])
    expect(problems.map((text) => /large\.txt|picture\.png|binary/.exec(text)?.[0])).toEqual([
      'large.txt',
      'picture.png',
      'binary',
    ])
  })
})
