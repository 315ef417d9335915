/** `sluice help`, and `--help` of each command: written from the tables of commands and settings. */
import { OPTIONS, OTHER_ENV, type Option } from '../config-options.ts'
import { type Command, COMMANDS, type OwnFlag } from './commands.ts'

export function help(): number {
  process.stdout.write(helpText())
  return 0
}

export function helpText(): string {
  return [
    'Sluice: an S3-compatible object-storage gateway.',
    '',
    'Usage: sluice [command] [flags]',
    '',
    'Commands:',
    ...table(COMMANDS.map((command) => [commandWords(command), command.help])),
    '',
    ...flagLines(true),
    '',
    'Environment (a flag beats it, it beats the configuration file):',
    ...table([
      ...OPTIONS.map((option): Line => [`${option.env}=${option.hint}`, described(option)]),
      ...OTHER_ENV.map(({ env, help }): Line => [env, help]),
    ]),
    '',
    'The configuration file has more: sluice config schema, config.example.yaml.',
    '',
  ].join('\n')
}

export function commandHelp(command: Command): string {
  const lines = [`Usage: sluice ${commandWords(command)} [flags]`, '', `  ${command.help}`, '']
  if (command.actions) lines.push(...table(actionLines(command)), '')
  lines.push(...flagLines(command.hasSettings, command.hasJson, command.ownFlags), '')
  return lines.join('\n')
}

function actionLines({ actions = {}, operands = {} }: Command): readonly Line[] {
  return Object.entries(actions).map(([action, help]): Line => {
    return [[action, ...(operands[action] ?? [])].join(' '), help]
  })
}

type Line = readonly [left: string, right: string]

function commandWords({ name, actions }: Command): string {
  return actions ? `${name} ${Object.keys(actions).join('|')}` : name
}

function flagLines(
  hasSettings: boolean,
  hasJson: boolean = false,
  own: readonly OwnFlag[] = [],
): string[] {
  const lines = own.map(({ flag, hint, help }): Line => {
    return [hint === undefined ? `--${flag}` : `--${flag} ${hint}`, help]
  })
  if (hasSettings) {
    lines.push(['--config FILE', 'configuration file (YAML)'])
    for (const option of OPTIONS) {
      if (option.flag !== undefined)
        lines.push([`--${option.flag} ${option.hint}`, described(option)])
    }
  }
  if (hasJson) lines.push(['--json', 'the result as JSON'])
  lines.push(['--help', 'help for the command'])
  return ['Flags:', ...table(lines)]
}

function described({ help, preset }: Option): string {
  return preset === undefined ? help : `${help} [${preset}]`
}

function table(lines: readonly Line[]): string[] {
  const width = Math.max(...lines.map(([left]) => left.length))
  return lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
