import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { imageIn } from './images.ts'

describe('imageIn', () => {
  it('default: finds what is written as a path', () => {
    expect(imageIn('What is in ./cat.png?')).toBe('./cat.png')
    expect(imageIn('Compare "/tmp/a.JPG" with b')).toBe('/tmp/a.JPG')
    expect(imageIn('~/photo.webp')).toBe('~/photo.webp')
  })

  it('behaviour: a word with such an ending is none, unless the file is there', async () => {
    expect(imageIn('What is the difference between a.png and b.gif?')).toBe(null)
    expect(imageIn('How do I name a .png file')).toBe(null)
    const folder = await mkdtemp(join(tmpdir(), 'freehold-image-'))
    const before = process.cwd()
    await writeFile(join(folder, 'dog.gif'), '')
    process.chdir(folder)
    try {
      expect(imageIn('look at dog.gif')).toBe('dog.gif')
    } finally {
      process.chdir(before)
      await rm(folder, { recursive: true })
    }
  })
})
