/**
 * Where settings come from: a YAML file, the environment, flags; the later beats the earlier. Gathers
 * them into one tree of raw values and remembers for each where it was said, so that an error can
 * point there. Knows no rules about the values; `config.ts` does.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Document, Node, Pair } from 'yaml'
import { didYouMean } from './config-nearest.ts'
import { type Option, OPTIONS, OTHER_ENV } from './config-options.ts'

/** What is wrong with a configuration: one line each, `file:line:column: message` or `SLUICE_X: message`. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

export interface Sources {
  /** Flag (without dashes) to text. */
  readonly flags?: Readonly<Record<string, string | undefined>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Folder that relative paths of flags and variables start from. */
  readonly cwd?: string
}

export type RawTree = { [key: string]: unknown }
export type Path = readonly (string | number)[]

export interface Raw {
  readonly tree: RawTree
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** The file that was read. */
  readonly file: string | undefined
  /** Things worth saying that are no errors. */
  readonly warnings: readonly string[]
  /** `sluice.yaml:3:7`, `SLUICE_PORT`, `--port`; undefined for a default. */
  origin(path: Path): string | undefined
}

/** Keys of the file, beside those of the table, whose value is a path. */
const LISTED_PATHS: readonly [list: string, key: string][] = [
  ['credentials', 'secretAccessKeyFile'],
  ['storage.seal.keys', 'keyFile'],
  ['encryption.keys', 'keyFile'],
  ['encryption.kms.keys', 'keyFile'],
]

/** Reads the file, if one is named, and lays environment and flags over it. */
export async function loadRaw({
  flags = {},
  env = {},
  cwd = process.cwd(),
}: Sources): Promise<Raw> {
  const named = flags['config'] ?? env['SLUICE_CONFIG']
  const file = named ? await readYaml(named, cwd) : undefined
  const tree: RawTree = file?.tree ?? {}
  const said = new Map<string, string>()
  const problems: string[] = []
  for (const option of OPTIONS) {
    for (const [name, text] of spoken(option, flags, env)) {
      if (text === undefined || text === '') continue
      if (option.env === 'SLUICE_PORT' && KUBERNETES_LINK.test(text)) continue
      const value = decode(option, text, cwd)
      if (value === undefined) problems.push(`${name}: "${text}" is not a whole number`)
      else if (place(tree, option.key.split('.'), value)) said.set(option.key, name)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    tree,
    env,
    cwd,
    file: named,
    warnings: strangers(env),
    origin: (path) => said.get(path.join('.')) ?? file?.locate(path),
  }
}

/** A Service called "sluice" makes Kubernetes set SLUICE_PORT=tcp://10.0.0.1:9000 in every pod. */
const KUBERNETES_LINK = /^(tcp|udp|sctp):\/\//
const KUBERNETES_NAME = /^SLUICE_(SERVICE_|PORT_\d)/

function spoken(
  option: Option,
  flags: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
): [name: string, text: string | undefined][] {
  const pairs: [string, string | undefined][] = [[option.env, env[option.env]]]
  if (option.flag !== undefined) pairs.push([`--${option.flag}`, flags[option.flag]])
  return pairs
}

function decode(option: Option, text: string, cwd: string): unknown {
  if (option.kind === 'integer') return /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined
  if (option.kind === 'path') return resolve(cwd, text)
  if (option.kind !== 'list') return text
  return text.split(',').flatMap((word) => word.trim() || [])
}

/** Sets the value at a path of the tree; false where the file has something else than a map on the way. */
function place(tree: RawTree, path: readonly string[], value: unknown): boolean {
  let at = tree
  for (const key of path.slice(0, -1)) {
    at[key] ??= {}
    const next = at[key]
    if (!isTree(next)) return false
    at = next
  }
  at[path.at(-1)!] = value
  return true
}

function isTree(value: unknown): value is RawTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function strangers(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set([...OPTIONS.map(({ env }) => env), ...OTHER_ENV.map(({ env }) => env)])
  return Object.keys(env)
    .filter((name) => name.startsWith('SLUICE_') && !known.has(name) && !KUBERNETES_NAME.test(name))
    .filter((name) => didYouMean(name, known) !== '')
    .map((name) => `${name} is not a setting${didYouMean(name, known)}`)
}

interface YamlFile {
  readonly tree: RawTree
  locate(path: Path): string | undefined
}

async function readYaml(name: string, cwd: string): Promise<YamlFile> {
  const path = resolve(cwd, name)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError([`${name}: cannot be read (${(error as NodeJS.ErrnoException).code})`])
  }
  const { LineCounter, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  if (document.errors.length > 0)
    throw new ConfigError(document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`))
  const tree = plain(document)
  if (!isTree(tree)) throw new ConfigError([`${at(0)}: a map of settings is expected`])
  absolute(tree, dirname(path))
  return {
    tree,
    locate: (path) => {
      const offset = locate(document, path)
      return offset === undefined ? undefined : at(offset)
    },
  }
}

/** The document as values; undefined where its aliases multiply beyond reason. */
function plain(document: Document): unknown {
  try {
    return document.toJS() ?? {}
  } catch {
    return undefined
  }
}

/** Makes the paths of the file start from the file's own folder. */
function absolute(tree: RawTree, folder: string): void {
  for (const { key, kind } of OPTIONS) {
    if (kind !== 'path') continue
    const path = key.split('.')
    const parent = path.length === 1 ? tree : tree[path[0]!]
    const last = path.at(-1)!
    if (isTree(parent) && typeof parent[last] === 'string')
      parent[last] = resolve(folder, parent[last])
  }
  for (const [list, key] of LISTED_PATHS) {
    let items: unknown = tree
    for (const segment of list.split('.')) items = isTree(items) ? items[segment] : undefined
    for (const item of Array.isArray(items) ? items : [])
      if (isTree(item) && typeof item[key] === 'string') item[key] = resolve(folder, item[key])
  }
}

/** Position of the key or item at a path; undefined where the file does not have it. */
function locate(document: Document, path: Path): number | undefined {
  let node: unknown = document.contents
  let offset: number | undefined
  for (const segment of path) {
    const items = (node as { items?: unknown[] } | undefined)?.items
    if (typeof segment === 'number') {
      node = items?.[segment]
      offset = (node as Node | undefined)?.range?.[0]
    } else {
      const pair = (items as Pair<Node, Node>[] | undefined)?.find(
        ({ key }) => String(key) === segment,
      )
      offset = pair?.key.range?.[0]
      node = pair?.value
    }
    if (offset === undefined) return undefined
  }
  return offset
}

/** Who is to blame for a value: where it was said, or else the nearest thing around it. */
export function blame(raw: Raw, path: Path): string {
  for (let length = path.length; length > 0; length--) {
    const origin = raw.origin(path.slice(0, length))
    if (origin !== undefined) return origin
  }
  return raw.file === undefined ? 'configuration' : `${raw.file}:1:1`
}
