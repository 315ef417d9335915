/** From words to a command, from errors to one line each and an exit code. */
import { COMMANDS, understand, UsageError } from './commands.ts'

/** Runs a command line; resolves to the exit code. */
export async function run(words: readonly string[]): Promise<number> {
  try {
    return await command(words)
  } catch (error) {
    return report(error)
  }
}

async function command(words: readonly string[]): Promise<number> {
  const invocation = understand(words)
  const command = COMMANDS.find(({ name }) => name === invocation.command)!
  if (invocation.help) {
    const { commandHelp } = await import('./help.ts')
    process.stdout.write(commandHelp(command))
    return 0
  }
  return command.run(invocation)
}

/** Errors whose message says all there is to say to the operator; anything else is told with its stack. */
const PLAIN_ERRORS: ReadonlySet<string> = new Set([
  'ConfigError',
  'DataFolderError',
  'LogCompacted',
  'LogCorrupt',
  'LogForeign',
  'MaintenanceError',
  'PointUnknown',
  'StartError',
  'StoreDamaged',
  'StoreFenced',
  'StoreLocked',
  'StoreFull',
  'StoreUnavailable',
])

function report(error: unknown): number {
  const isUsage = error instanceof UsageError
  const isPlain = isUsage || (error instanceof Error && PLAIN_ERRORS.has(error.name))
  const text = isPlain ? error.message : error instanceof Error ? error.stack : String(error)
  process.stderr.write(`${(text ?? '').replaceAll(/^/gm, isPlain ? 'sluice: ' : '')}\n`)
  return isUsage ? 2 : 1
}
