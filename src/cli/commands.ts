/** The commands of the program and how their words are read; help is written from the same table. */
import { parseArgs } from 'node:util'
import { didYouMean } from '../config-nearest.ts'
import { OPTIONS } from '../config-options.ts'
import { TORRENT } from './torrent-command.ts'

export type Flags = Readonly<Record<string, string | undefined>>

/** A command line, understood. */
export interface Invocation {
  readonly command: string
  /** Of a command that has some: `print` of `config print`. */
  readonly action: string | undefined
  /** Words behind the action, where it takes some. */
  readonly operands: readonly string[]
  /** Settings given as flags, by flag name; `config` among them. Also the command's own; one without a value is `'true'`. */
  readonly flags: Flags
  readonly json: boolean
  readonly help: boolean
}

/** A flag that only one command has. */
export interface OwnFlag {
  readonly flag: string
  /** Of the value that follows, for the help; none: no value follows. */
  readonly hint?: string
  readonly help: string
}

export interface Command {
  readonly name: string
  readonly help: string
  /** Words that may follow, with what each does; the first is meant where none is given. */
  readonly actions?: Readonly<Record<string, string>>
  /** Words that follow an action, for the help; one in brackets may be left out. */
  readonly operands?: Readonly<Record<string, readonly string[]>>
  /** Takes the settings' flags. */
  readonly hasSettings: boolean
  /** Takes --json. */
  readonly hasJson: boolean
  readonly ownFlags?: readonly OwnFlag[]
  /** Resolves to the exit code. Modules are loaded when a command runs, so that the quick ones are quick. */
  run(invocation: Invocation): Promise<number>
}

/** What is wrong with a command line, in one line: exit code 2. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError'
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    help: 'run the gateway (the default)',
    hasSettings: true,
    hasJson: false,
    run: async (invocation) => (await import('./serve.ts')).serve(invocation),
  },
  {
    name: 'config',
    help: 'show, check or describe the configuration',
    actions: {
      print: 'the merged settings, and where each comes from',
      check: 'exit code 1 and a line for each problem, where there are any',
      schema: 'the JSON Schema of the configuration file',
    },
    hasSettings: true,
    hasJson: false,
    run: async (invocation) => (await import('./config.ts')).config(invocation),
  },
  {
    name: 'doctor',
    help: 'try everything the gateway needs, and say what is wrong',
    hasSettings: true,
    hasJson: true,
    run: async (invocation) => (await import('./doctor.ts')).doctor(invocation),
  },
  {
    name: 'scrub',
    help: 'read everything that is stored, and say what is damaged',
    hasSettings: true,
    hasJson: true,
    ownFlags: [
      { flag: 'bucket', hint: 'NAME', help: 'only this bucket' },
      { flag: 'quick', help: 'look whether all bytes are there, without reading them' },
      { flag: 'remove-orphans', help: 'remove blobs and shares that nothing names' },
      { flag: 'now', help: 'with --remove-orphans: those of the last hour too' },
    ],
    run: async (invocation) => (await import('./scrub.ts')).scrub(invocation),
  },
  {
    name: 'migrate',
    help: 'move everything from one configuration to another',
    hasSettings: false,
    hasJson: true,
    ownFlags: [
      { flag: 'from', hint: 'FILE', help: 'configuration of where everything is' },
      { flag: 'to', hint: 'FILE', help: 'configuration of where it goes' },
      { flag: 'no-verify', help: 'do not read back what was written' },
    ],
    run: async (invocation) => (await import('./migrate.ts')).migrate(invocation),
  },
  {
    name: 'export',
    help: 'all metadata as one stream of JSON lines',
    hasSettings: true,
    hasJson: true,
    ownFlags: [{ flag: 'to', hint: 'FILE', help: 'where to; standard output where absent' }],
    run: async (invocation) => (await import('./export.ts')).exportAll(invocation),
  },
  {
    name: 'import',
    help: 'the metadata of an export, into an empty store unless a flag says otherwise',
    hasSettings: true,
    hasJson: true,
    ownFlags: [
      { flag: 'from', hint: 'FILE', help: 'the export; standard input where absent' },
      { flag: 'merge', help: 'beside the rows that are there; those stay as they are' },
      {
        flag: 'replace-rows',
        help: 'with --merge: rows of the export replace those that are there',
      },
      { flag: 'replace', help: 'remove all rows that are there first' },
    ],
    run: async (invocation) => (await import('./import.ts')).importAll(invocation),
  },
  {
    name: 'log',
    help: 'the log of metadata (metadata.log): what is in it, and whether it is whole; or a log of its own, served',
    actions: {
      stat: 'which entries there are, and how large it is',
      verify: 'reads everything; exit code 1 and a line for each problem, where there are any',
      dump: 'its changes, one JSON object a line',
      tail: 'follows a running gateway by its feed, without end',
      serve:
        'a log in the folder --data for other programs, over a Unix socket (docs/log-protocol.md)',
    },
    hasSettings: true,
    hasJson: true,
    ownFlags: [
      { flag: 'after', hint: 'INDEX', help: 'of dump and tail: changes behind this one' },
      { flag: 'limit', hint: 'N', help: 'of dump: at most so many' },
      { flag: 'url', hint: 'URL', help: 'of tail: the gateway; the configured one where absent' },
      { flag: 'token', hint: 'TOKEN', help: 'of tail: its feed.token' },
      { flag: 'socket', hint: 'PATH', help: 'of serve: where the socket is made' },
      { flag: 'engine', hint: 'NAME', help: 'of serve: segment, sqlite or memory [segment]' },
    ],
    run: async (invocation) =>
      invocation.action === 'serve'
        ? (await import('./log-serve.ts')).logServe(invocation)
        : (await import('./log.ts')).log(invocation),
  },
  {
    name: 'notification',
    help: 'watch what happens in a bucket',
    actions: { tail: 'a line of JSON for each event, as it happens, until stopped' },
    hasSettings: true,
    hasJson: false,
    ownFlags: [
      { flag: 'bucket', hint: 'NAME', help: 'the bucket to watch' },
      { flag: 'endpoint', hint: 'URL', help: 'the gateway; the configured one where absent' },
      { flag: 'listen', hint: 'HOST:PORT', help: 'where it tells us; 127.0.0.1:0 where absent' },
      { flag: 'prefix', hint: 'TEXT', help: 'only keys that begin so' },
      { flag: 'suffix', hint: 'TEXT', help: 'only keys that end so' },
      { flag: 'events', hint: 'LIST', help: 'by commas; objects created and removed where absent' },
    ],
    run: async (invocation) => (await import('./notification.ts')).notification(invocation),
  },
  {
    name: 'standby',
    help: 'follow another gateway and keep a copy of its metadata, until stopped',
    hasSettings: true,
    hasJson: false,
    ownFlags: [
      { flag: 'of', hint: 'URL', help: 'the gateway that is followed' },
      { flag: 'token', hint: 'TOKEN', help: 'its feed.token; the setting where absent' },
    ],
    run: async (invocation) => (await import('./standby.ts')).standby(invocation),
  },
  {
    name: 'promote',
    help: 'let a standby write in place of the gateway that it followed',
    hasSettings: true,
    hasJson: false,
    ownFlags: [
      { flag: 'of', hint: 'URL', help: 'the gateway that was followed: it is fenced off' },
      { flag: 'token', hint: 'TOKEN', help: 'its feed.token; the setting where absent' },
      { flag: 'force', help: 'although it does not answer: it must never be started again' },
    ],
    run: async (invocation) => (await import('./standby.ts')).promote(invocation),
  },
  {
    name: 'restore',
    help: 'metadata as it was at a point in time, into a folder of its own',
    hasSettings: true,
    hasJson: false,
    ownFlags: [
      { flag: 'to', hint: 'INDEX|TIME', help: 'an entry of the log, or 2026-11-20T17:00:00Z' },
      { flag: 'into', hint: 'FOLDER', help: 'an empty folder, or one that is not there' },
    ],
    run: async (invocation) => (await import('./restore.ts')).restore(invocation),
  },
  TORRENT,
  {
    name: 'healthcheck',
    help: 'exit code 0 where the configured gateway answers, else 1',
    hasSettings: true,
    hasJson: false,
    run: async (invocation) => (await import('./healthcheck.ts')).healthcheck(invocation),
  },
  {
    name: 'version',
    help: 'the version of this program',
    hasSettings: false,
    hasJson: false,
    run: async () => (await import('./version.ts')).version(),
  },
  {
    name: 'help',
    help: 'this text',
    hasSettings: false,
    hasJson: false,
    run: async () => (await import('./help.ts')).help(),
  },
]

/** Understands the words behind the program's name; throws `UsageError`. */
export function understand(words: readonly string[]): Invocation {
  const [first] = words
  if (first === '--version' || first === '-v') return { ...PLAIN, command: 'version' }
  if (first === '--help' || first === '-h') return { ...PLAIN, command: 'help' }
  const isNamed = first !== undefined && !first.startsWith('-')
  const name = isNamed ? first : 'serve'
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (command === undefined) {
    const hint = didYouMean(
      name,
      COMMANDS.map((candidate) => candidate.name),
    )
    throw new UsageError(`there is no command ${name}${hint}; see sluice help`)
  }
  return readWords(command, isNamed ? words.slice(1) : words)
}

const PLAIN: Invocation = {
  command: 'help',
  action: undefined,
  operands: [],
  flags: {},
  json: false,
  help: false,
}

function readWords(command: Command, words: readonly string[]): Invocation {
  const names = flagsOf(command)
  const { tokens } = parseArgs({
    args: [...words],
    options: { ...Object.fromEntries(names), help: { type: 'boolean', short: 'h' } },
    strict: false,
    tokens: true,
  })
  const flags: Record<string, string> = {}
  const plain: string[] = []
  let json = false
  let help = false
  for (const token of tokens) {
    if (token.kind === 'positional') plain.push(token.value)
    if (token.kind !== 'option') continue
    if (token.name === 'help') help = true
    else if (token.name === 'json' && command.hasJson) json = true
    else if (names.get(token.name)?.type === 'boolean') flags[token.name] = 'true'
    else flags[token.name] = valueOf(command, names, token)
  }
  const action = actionOf(command, plain)
  const operands = help ? [] : operandsOf(command, action, plain.slice(1))
  return { command: command.name, action, operands, flags, json, help }
}

/** Flags that the command takes, and whether a value follows. */
function flagsOf(command: Command): Map<string, { type: 'string' | 'boolean' }> {
  const names = new Map<string, { type: 'string' | 'boolean' }>()
  if (command.hasSettings) {
    names.set('config', { type: 'string' })
    for (const { flag } of OPTIONS) if (flag !== undefined) names.set(flag, { type: 'string' })
  }
  for (const { flag, hint } of command.ownFlags ?? []) {
    names.set(flag, { type: hint === undefined ? 'boolean' : 'string' })
  }
  if (command.hasJson) names.set('json', { type: 'boolean' })
  return names
}

/** What parseArgs tells of a flag. */
interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value: string | undefined
  /** The value was given as `--flag=value`. */
  readonly inlineValue: boolean | undefined
}

function valueOf(
  command: Command,
  names: ReadonlyMap<string, unknown>,
  { name, rawName, value, inlineValue }: OptionToken,
): string {
  if (!names.has(name)) {
    const hint = didYouMean(name, [...names.keys(), 'help'], '--')
    throw new UsageError(`${command.name} has no flag ${rawName}${hint}`)
  }
  // In `--port --data x` the value was forgotten; one that begins with a dash is given by `--port=-1`.
  const isForgotten = inlineValue !== true && value?.startsWith('-') === true
  if (!value || isForgotten) throw new UsageError(`${rawName} needs a value`)
  return value
}

function actionOf(command: Command, plain: readonly string[]): string | undefined {
  const actions = Object.keys(command.actions ?? {})
  const [action = actions[0]] = plain
  if (actions.length === 0 && action !== undefined)
    throw new UsageError(`${command.name} does not know what to do with ${action}`)
  if (action !== undefined && !actions.includes(action)) {
    const hint = didYouMean(action, actions)
    throw new UsageError(`${command.name} has no ${action}${hint}; it has ${actions.join(', ')}`)
  }
  return action
}

function operandsOf(
  command: Command,
  action: string | undefined,
  words: readonly string[],
): readonly string[] {
  const hints = command.operands?.[action ?? ''] ?? []
  const missing = hints[words.length]
  if (missing !== undefined && !missing.startsWith('['))
    throw new UsageError(`${command.name} ${action} needs ${missing}`)
  const stray = words[hints.length]
  if (stray !== undefined)
    throw new UsageError(`${command.name} does not know what to do with ${stray}`)
  return words
}
