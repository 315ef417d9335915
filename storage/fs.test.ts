import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT, type Meter } from '../src/lib/meter.ts'
import { BlobMissing, StoreUnavailable } from '../src/lib/store-error.ts'
import { storageReopenContract } from './contract-reopen.ts'
import { list, read, sample, WatchfulBody } from './contract-samples.ts'
import { storageContract } from './contract.ts'
import { FsLayout, HOST } from './fs-layout.ts'
import { FsStorage } from './fs.ts'

const MIB = 1024 ** 2

function directory(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'sluice-storage-fs-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

storageContract('fs', async () => FsStorage.open(directory(), SILENT))

storageReopenContract('fs', {
  options: (at) => ({ engine: 'fs', path: path.join(at, 'blobs', 'here') }),
  unfinished: (at) => readdir(path.join(at, 'blobs', 'here', 'tmp')),
})

/** Ids of one millisecond, and of one year later. */
const id = (number: number): string => `01JDQ8M3AB${String(number).padStart(16, '0')}`
const laterId = (number: number): string => `01KDQ8M3AB${String(number).padStart(16, '0')}`

/** Counts the fsyncs. */
function counting(): { meter: Meter; fsyncs: () => number } {
  let fsyncs = 0
  const counter = {
    add(by = 1) {
      fsyncs += by
    },
  }
  const meter: Meter = {
    ...SILENT,
    counter: (name, help, labels) =>
      name === 'sluice_fsyncs_total' && labels?.['store'] === 'storage'
        ? counter
        : SILENT.counter(name, help, labels),
  }
  return { meter, fsyncs: () => fsyncs }
}

describe('stable storage', () => {
  test('a put syncs the file and its directory, the first also those above', async () => {
    const { meter, fsyncs } = counting()
    await using storage = await FsStorage.open(directory(), meter)
    await storage.put(id(1), sample(10))
    // The file, its directory, the one above, and the root of the blobs.
    expect(fsyncs()).toBe(4)
    await storage.put(id(2), sample(10))
    expect(fsyncs()).toBe(6)
    await storage.put(id(3), new Uint8Array(0))
    expect(fsyncs()).toBe(8)
  })

  test('puts that end together share the syncs of their directory', async () => {
    const { meter, fsyncs } = counting()
    await using storage = await FsStorage.open(directory(), meter)
    await storage.put(id(0), sample(10))
    const before = fsyncs()
    await Promise.all(Array.from({ length: 32 }, (_, at) => storage.put(id(at + 1), sample(10))))
    const ofDirectory = fsyncs() - before - 32
    expect(ofDirectory).toBeGreaterThan(0)
    expect(ofDirectory).toBeLessThan(32)
  })
})

describe('files', () => {
  test('a blob is a file of its own under its name, and nothing else is left', async () => {
    const at = directory()
    await using storage = await FsStorage.open(at, SILENT)
    await storage.put(id(1), sample(100))
    const file = path.join(at, 'blobs', '01JDQ', '8M', id(1))
    expect(readFileSync(file).equals(sample(100))).toBe(true)
    expect(readdirSync(path.join(at, 'tmp'))).toEqual([])
    expect(readdirSync(at).toSorted()).toEqual(['blobs', 'sluice-storage.json', 'tmp'])
  })

  test.each([500_000, 2 * MIB, 3 * MIB + 1])(
    'a file cut to %i bytes is lost bytes, not a shorter blob',
    async (left) => {
      const at = directory()
      await using storage = await FsStorage.open(at, SILENT)
      const size = 4 * MIB
      await storage.put(id(1), sample(size))
      truncateSync(new FsLayout(at).pathOf(id(1)), left)
      const reading = storage.get(id(1), { start: 0, end: size }).then(read)
      await expect(reading).rejects.toBeInstanceOf(BlobMissing)
      const inside = await storage.get(id(1), { start: 0, end: left })
      expect((await read(inside)).length).toBe(left)
    },
  )

  test('directories go with their last blob, but for the newest', async () => {
    const at = directory()
    await using storage = await FsStorage.open(at, SILENT)
    const blobs = path.join(at, 'blobs')
    await storage.put(id(1), sample(1))
    await storage.put(id(2), sample(1))
    await storage.put(laterId(1), sample(1))
    await storage.delete([id(1)])
    expect(readdirSync(blobs)).toEqual(['01JDQ', '01KDQ'])
    await storage.delete([id(2), laterId(1)])
    expect(readdirSync(blobs)).toEqual(['01KDQ'])
    await storage.put(id(3), sample(1))
    expect(await read(await storage.get(id(3)))).toHaveLength(1)
  })

  test('a directory that was removed behind our back is made again', async () => {
    const at = directory()
    await using storage = await FsStorage.open(at, SILENT)
    await storage.put(id(1), sample(1))
    rmSync(path.join(at, 'blobs', '01JDQ'), { recursive: true })
    await storage.put(id(2), sample(2))
    expect(await list(storage)).toEqual([{ id: id(2), size: 2 }])
  })

  test('a read that is under way at an abort or a return ends with it', async () => {
    await using storage = await FsStorage.open(directory(), SILENT)
    await storage.put(id(1), sample(5 * MIB))
    const abort = new AbortController()
    const aborted = (await storage.get(id(1), undefined, abort.signal))[Symbol.asyncIterator]()
    await aborted.next()
    const step = aborted.next()
    abort.abort(new Error('gone'))
    await expect(step).rejects.toThrow('gone')
    const returned = (await storage.get(id(1)))[Symbol.asyncIterator]()
    await returned.next()
    const [last] = await Promise.all([returned.next(), returned.return?.()])
    expect(last.done).toBe(true)
    const whole = await read(await storage.get(id(1)))
    expect(whole.equals(sample(5 * MIB))).toBe(true)
  })

  test('a put whose file cannot be made lets the body go', async () => {
    const at = directory()
    await using storage = await FsStorage.open(at, SILENT)
    rmSync(path.join(at, 'tmp'), { recursive: true })
    const body = new WatchfulBody()
    await expect(storage.put(id(1), body)).rejects.toBeInstanceOf(StoreUnavailable)
    expect(body.returns).toBe(1)
  })

  test('what others have put among the blobs is not listed', async () => {
    const at = directory()
    await using storage = await FsStorage.open(at, SILENT)
    await storage.put(id(1), sample(1))
    writeFileSync(path.join(at, 'blobs', 'notes'), '')
    writeFileSync(path.join(at, 'blobs', '01JDQ', '8M', 'README'), '')
    mkdirSync(path.join(at, 'blobs', 'lost+found'))
    expect(await list(storage)).toEqual([{ id: id(1), size: 1 }])
  })
})

describe('opening', () => {
  test('a directory with something in it is refused, and left as it is', async () => {
    const at = directory()
    writeFileSync(path.join(at, 'thesis.tex'), '')
    await expect(FsStorage.open(at, SILENT)).rejects.toThrow(/not empty \(thesis\.tex\)/)
    expect(readdirSync(at)).toEqual(['thesis.tex'])
  })

  test.each([
    ['a newer format', '{"format":2}', /newer/],
    ['a marker that is none', 'x', /cannot be read/],
  ])('%s is refused, and left as it is', async (_, marker, message) => {
    const at = directory()
    const file = path.join(at, 'sluice-storage.json')
    writeFileSync(file, marker)
    await expect(FsStorage.open(at, SILENT)).rejects.toThrow(message)
    expect(readdirSync(at)).toEqual(['sluice-storage.json'])
    expect(readFileSync(file, 'utf8')).toBe(marker)
  })

  test('an opening that was cut off in the middle is taken up again', async () => {
    const at = directory()
    writeFileSync(path.join(at, 'sluice-storage.json.new'), '{"for')
    await using storage = await FsStorage.open(at, SILENT)
    await storage.put(id(1), sample(1))
    expect(readdirSync(at)).not.toContain('sluice-storage.json.new')
  })

  test('removes what dead writers left, and nothing that may be alive or is not ours', async () => {
    const at = directory()
    await (await FsStorage.open(at, SILENT))[Symbol.asyncDispose]()
    const tmp = path.join(at, 'tmp')
    const alive = [`${id(1)}.${HOST}.${process.ppid}`, `${id(2)}.00000000.1`, 'mine.txt']
    // No Linux has a process of this number (its highest is 2^22).
    const dead = [`${id(3)}.${HOST}.9999999`, `${id(4)}.${HOST}.${process.pid}`]
    for (const name of [...alive, ...dead]) writeFileSync(path.join(tmp, name), '')
    await (await FsStorage.open(at, SILENT))[Symbol.asyncDispose]()
    expect(readdirSync(tmp).toSorted()).toEqual(alive.toSorted())
  })
})
