/** Runs a client's program with an environment of its own: none of the user's settings leak in. */
import { spawn } from 'node:child_process'
import { ACCESS_KEY, type Gateway, SECRET_KEY } from './gateway-process.ts'

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What AWS's tools need to know of a gateway. */
export function awsEnvironment(
  gateway: Pick<Gateway, 'endpoint' | 'caFile'>,
): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: gateway.endpoint,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PAGER: '',
    ...(gateway.caFile && {
      AWS_CA_BUNDLE: gateway.caFile,
      SSL_CERT_FILE: gateway.caFile,
      NODE_EXTRA_CA_CERTS: gateway.caFile,
    }),
  }
}

/** Runs to the end; `input` goes to its standard input. Ends it after `timeoutMs`. */
export function run(
  command: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; input?: string; timeoutMs?: number } = {},
): Promise<Ran> {
  const [program = '', ...args] = command
  const keep = ['PATH', 'HOME', 'LANG', 'PYENV_ROOT', 'PYENV_VERSION']
  const inherited = Object.fromEntries(
    keep.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
  )
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { LC_ALL: 'C.UTF-8', ...inherited, ...options.env },
      timeout: options.timeoutMs ?? 120_000,
      killSignal: 'SIGKILL',
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('error', reject)
    child.on('close', (code) =>
      resolve({
        code,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      }),
    )
    // A program may end without reading what it is given.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** As `run`, and the program must succeed. Resolves to its standard output. */
export async function succeed(...parameters: Parameters<typeof run>): Promise<string> {
  const { code, stdout, stderr } = await run(...parameters)
  if (code !== 0)
    throw new Error(`${parameters[0].join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
  return stdout
}
