/** A server in Java of one's own: a process that ends with the run, ready once its port answers. */
import { spawn, spawnSync } from 'node:child_process'
import { aptInstall } from './installed.ts'
import { ended, untilListening } from './process.ts'

const JAVA_PACKAGE = 'openjdk-17-jdk-headless'
const JAVA_OLDEST = 17

/** Installs Java with apt-get where it is missing and that may be; throws where there is no JDK that is new enough. */
export function checkJava(name: string): void {
  if (hasJava()) return
  console.error(`engines: installing ${JAVA_PACKAGE} with apt-get`)
  aptInstall([JAVA_PACKAGE])
  if (!hasJava())
    throw new Error(`${name} needs a JDK ${JAVA_OLDEST} or newer (Debian: ${JAVA_PACKAGE})`)
}

function hasJava(): boolean {
  const { stderr, error } = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const version = Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0)
  const isJdk = spawnSync('javac', ['-version'], { encoding: 'utf8' }).status === 0
  return error === undefined && version >= JAVA_OLDEST && isJdk
}

/** Starts `java` with those words; resolves once something answers on the port of 127.0.0.1. */
export async function startJava(
  name: string,
  words: readonly string[],
  port: number,
): Promise<AsyncDisposable> {
  const child = spawn('java', words, { stdio: ['ignore', 'pipe', 'pipe'] })
  const written: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => written.push(text.toString()))
  await untilListening(name, child, port, () => written.join(''))
  return { [Symbol.asyncDispose]: () => ended(child) }
}
