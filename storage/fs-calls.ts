/**
 * The calls of the file system that the `fs` engine makes, as promises that reject in the stores'
 * words: `StoreFull` (ENOSPC, EDQUOT), else `StoreUnavailable`; the system's error is the cause.
 * `errno` tells what it was. Numbers instead of FileHandles: a third of the cost per call.
 */
import * as fs from 'node:fs'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'

/** The system's word for what went wrong (`ENOENT`), of an error of these calls. */
export function errno(error: unknown): string | undefined {
  return error instanceof StoreUnavailable || error instanceof StoreFull
    ? (error.cause as NodeJS.ErrnoException | undefined)?.code
    : undefined
}

function storeError(cause: NodeJS.ErrnoException): StoreFull | StoreUnavailable {
  return cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
    ? new StoreFull(`no room left in the storage: ${cause.message}`, { cause })
    : new StoreUnavailable(`the storage's file system failed: ${cause.message}`, { cause })
}

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void

function call<T = void>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(storeError(error))))
  })
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants
/** Blobs are for this service alone. */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

export function openToRead(path: string): Promise<number> {
  return call((done) => fs.open(path, O_RDONLY, done))
}

/** Creates the file; one that is there already is an error. */
export function openToWrite(path: string): Promise<number> {
  return call((done) => fs.open(path, O_CREAT | O_EXCL | O_WRONLY, FILE_MODE, done))
}

export function openDirectory(path: string): Promise<number> {
  return call((done) => fs.open(path, O_RDONLY | O_DIRECTORY, done))
}

export function close(file: number): Promise<void> {
  return call((done: Done<void>) => fs.close(file, (error) => done(error ?? null)))
}

/** Fills the beginning of `buffer`; returns how many bytes: fewer than `length` only where the file ends. */
export async function read(
  file: number,
  buffer: Uint8Array,
  length: number,
  position: number,
): Promise<number> {
  for (let at = 0; ;) {
    const from = at
    const count = await call<number>((done) =>
      fs.read(file, buffer, from, length - from, position + from, done),
    )
    at += count
    if (count === 0 || at === length) return at
  }
}

/** Writes all of the bytes. */
export async function write(file: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const from = at
    at += await call<number>((done) =>
      fs.write(file, bytes, from, bytes.length - from, position + from, done),
    )
  }
}

/** Bytes and size of the file are on stable storage once this resolves. */
export function syncData(file: number): Promise<void> {
  return call((done: Done<void>) => fs.fdatasync(file, done))
}

export function sync(file: number): Promise<void> {
  return call((done: Done<void>) => fs.fsync(file, done))
}

export function rename(from: string, to: string): Promise<void> {
  return call((done: Done<void>) => fs.rename(from, to, done))
}

export function unlink(path: string): Promise<void> {
  return call((done: Done<void>) => fs.unlink(path, done))
}

export function makeDirectory(path: string): Promise<void> {
  return call((done: Done<void>) => fs.mkdir(path, DIRECTORY_MODE, done))
}

export function removeDirectory(path: string): Promise<void> {
  return call((done: Done<void>) => fs.rmdir(path, done))
}

export function namesIn(path: string): Promise<string[]> {
  return call((done) => fs.readdir(path, done))
}

export function statOf(path: string): Promise<fs.Stats> {
  return call((done) => fs.stat(path, done))
}
