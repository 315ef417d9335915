/** Trees of files with odd names and sizes, and their comparison by content. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** Names that broke servers: blanks, percent signs, pluses, quotes, both forms of é, astral characters, dots. */
const ODD = [
  'plain.txt',
  'with blank.txt',
  'plus+sign.txt',
  'percent%2Fescape.txt',
  'percent%.txt',
  'quote\'"`.txt',
  'ampersand&semi;colon.txt',
  'hash#question?.txt',
  'tilde~star*paren().txt',
  'brackets[]{}|^.txt',
  'composed-\u00e9.txt',
  'decomposed-e\u0301.txt',
  'emoji-\u{1f30a}.bin',
  'kanji-\u6c34\u9580.txt',
  'dots/...hidden/..two.txt',
  'a',
  'a.d/b/c/d/e/f.txt',
  'equals=at@colon:comma,.txt',
  'dollar$exclam!.txt',
]

/** Makes files of 0 bytes to 9 MiB under `root`, the same bytes for the same seed. */
export async function makeTree(root: string, seed = 1): Promise<void> {
  const sizes = [0, 1, 15, 4096, 65_536, 65_537, 300_000]
  for (const [index, name] of ODD.entries()) {
    const file = join(root, name)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, noise(sizes[index % sizes.length]!, seed + index))
  }
  await writeFile(join(root, 'big.bin'), noise(9 * 1024 * 1024 + 17, seed))
}

/** Bytes that do not repeat early and are the same for the same seed. */
export function noise(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let i = 0; i < size; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 255
  }
  return bytes
}

/** Writes a file of `size` bytes without holding it in memory. */
export async function makeFile(file: string, size: number): Promise<void> {
  const block = noise(1024 * 1024, 7)
  await pipeline(async function* () {
    for (let left = size, i = 0; left > 0; i++) {
      new DataView(block.buffer).setUint32(0, i)
      yield Buffer.from(block.subarray(0, Math.min(left, block.length)))
      left -= block.length
    }
  }, createWriteStream(file))
}

/** Path below `root` to SHA-256, for every file. */
export async function hashTree(root: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    found.set(file.slice(root.length + 1), await hashFile(file))
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }))
    hash.update(chunk as Buffer)
  return hash.digest('hex')
}
