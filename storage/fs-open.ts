/**
 * Taking a directory as a storage: an empty one, or one that is ours already in a format that we
 * know. Anything else is refused, and nothing in it is touched.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  close,
  errno,
  makeDirectory,
  namesIn,
  openDirectory,
  openToWrite,
  rename,
  statOf,
  sync,
  unlink,
  write,
} from './fs-calls.ts'
import { FsLayout, HOST, MARKER_NAME, parseTemporary } from './fs-layout.ts'

const FORMAT = 1
/** The marker before it is whole. */
const MARKER_DRAFT_NAME = `${MARKER_NAME}.new`
/** What a file system itself puts into its top directory. */
const NOT_FOREIGN: ReadonlySet<string> = new Set([MARKER_DRAFT_NAME, 'lost+found'])
/** A blob being written on another host is taken for dead when nothing has come for a day. */
const FOREIGN_LEFTOVER_MS = 24 * 3600 * 1000

/** What this process is writing now, in all its storages: never a leftover. */
const underWay = new Set<string>()

/** Marks the path as being written until disposed of. */
export function writing(temporary: string): Disposable {
  underWay.add(temporary)
  return { [Symbol.dispose]: () => void underWay.delete(temporary) }
}

/** Opens the storage, made new where the directory is empty or absent; removes what dead writers left. */
export async function openDirectoryAsStorage(root: string): Promise<FsLayout> {
  const layout = new FsLayout(root)
  const made = await mkdir(root, { recursive: true, mode: 0o700 })
  const names = await namesIn(root)
  if (names.includes(MARKER_NAME)) await checkMarker(layout)
  else await claim(layout, names, made)
  for (const directory of [layout.blobs, layout.tmp]) {
    await makeDirectory(directory).catch((error: unknown) => {
      if (errno(error) !== 'EEXIST') throw error
    })
  }
  await syncDirectory(root)
  await removeLeftovers(layout)
  return layout
}

async function checkMarker(layout: FsLayout): Promise<void> {
  const format = formatOf(await readFile(layout.marker, 'utf8'))
  if (format === undefined) {
    throw new Error(`${layout.marker} cannot be read: the directory is left as it is`)
  }
  if (format > FORMAT) {
    throw new Error(
      `${layout.root} was written by a newer Sluice (format ${format}, this one knows ${FORMAT})`,
    )
  }
}

function formatOf(text: string): number | undefined {
  try {
    const { format } = JSON.parse(text) as { format?: unknown }
    return Number.isSafeInteger(format) ? (format as number) : undefined
  } catch {
    return undefined
  }
}

/** Makes an empty directory ours. `made`: the highest of the directories that had to be made for it. */
async function claim(
  layout: FsLayout,
  names: readonly string[],
  made: string | undefined,
): Promise<void> {
  const foreign = names.find((name) => !NOT_FOREIGN.has(name))
  if (foreign !== undefined) {
    throw new Error(
      `${layout.root} is not empty (${foreign}) and has no ${MARKER_NAME}: it is no storage of Sluice's. Choose an empty directory`,
    )
  }
  const draft = `${layout.root}/${MARKER_DRAFT_NAME}`
  if (names.includes(MARKER_DRAFT_NAME)) await unlink(draft)
  const file = await openToWrite(draft)
  try {
    await write(file, Buffer.from(`${JSON.stringify({ format: FORMAT })}\n`), 0)
    await sync(file)
  } finally {
    await close(file)
  }
  await rename(draft, layout.marker)
  if (made !== undefined) await syncUpTo(dirname(made), dirname(layout.root))
}

/** Fsyncs from the directory `from` upwards until `highest`. */
async function syncUpTo(highest: string, from: string): Promise<void> {
  for (let directory = from; ; directory = dirname(directory)) {
    await syncDirectory(directory)
    if (directory === highest || directory === dirname(directory)) return
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const file = await openDirectory(directory)
  try {
    await sync(file)
  } finally {
    await close(file)
  }
}

async function removeLeftovers(layout: FsLayout): Promise<void> {
  for (const name of await namesIn(layout.tmp)) {
    const path = `${layout.tmp}/${name}`
    if (await isLeftover(path, name)) await unlink(path)
  }
}

async function isLeftover(path: string, name: string): Promise<boolean> {
  const writer = parseTemporary(name)
  if (writer === undefined || underWay.has(path)) return false
  if (writer.host !== HOST) return (await statOf(path)).mtimeMs < Date.now() - FOREIGN_LEFTOVER_MS
  // A process of our own number that is not writing it now was one before us.
  return writer.pid === process.pid || !isAlive(writer.pid)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
