import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex, utf8 } from '@freehold/core/bytes'
import { IdentityError } from '@freehold/core/errors'
import { afterAll, describe, expect, it } from 'vitest'
import { hasVaultFile, nativeArgon2id, readVaultFile, writeVaultFile } from './vault-file.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-vault-'))
afterAll(() => rm(folder, { recursive: true }))
const PHRASE = 'test test test test test test test test test test test junk'

describe('vault file', () => {
  it('default: keeps a phrase under a passphrase, with the real Argon2id', async () => {
    const path = join(folder, 'keys', 'vault.json')
    expect(await hasVaultFile(path)).toBe(false)
    await writeVaultFile(path, PHRASE, 'correct horse')
    expect(await hasVaultFile(path)).toBe(true)
    expect(await readVaultFile(path, 'correct horse')).toBe(PHRASE)
    await expect(readVaultFile(path, 'correct horze')).rejects.toThrow(IdentityError)
    await expect(writeVaultFile(path, 'another', 'x')).rejects.toThrow(/already/)
    const text = await readFile(path, 'utf8')
    expect(text).not.toContain('junk')
    expect(JSON.parse(text).kdf).toEqual({ memoryKiB: 65_536, passes: 3, parallelism: 4 })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'keys'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(folder, 'keys'))).toEqual(['vault.json'])
  })

  it('behaviour: says what to do when there is no vault', async () => {
    await expect(readVaultFile(join(folder, 'none'), 'x')).rejects.toThrow(/wallet init/)
  })

  it('behaviour: a damaged file is an IdentityError', async () => {
    const path = join(folder, 'damaged.json')
    for (const text of ['', '{', 'null', '[]', '{"version":1}', '"vault"', '7']) {
      await writeFile(path, text)
      await expect(readVaultFile(path, 'x')).rejects.toThrow(IdentityError)
    }
  })
})

describe('nativeArgon2id', () => {
  it('default: gives what Argon2’s reference implementation tests for', async () => {
    // test.c of P-H-C/phc-winner-argon2, Argon2id, two passes.
    const vectors = [
      [256, 1, '9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe'],
      [256, 2, '6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037'],
    ] as const
    for (const [memoryKiB, parallelism, hash] of vectors) {
      const cost = { memoryKiB, passes: 2, parallelism }
      expect(toHex(await nativeArgon2id(utf8('password'), utf8('somesalt'), cost))).toBe(hash)
    }
  })
})
