/** A server in Java of one's own: a process that ends with the run, ready once its port answers. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

/** A Java machine takes its time on a busy one. */
const READY_MS = 180_000
const JAVA_OLDEST = 17

/** Throws where there is no JDK that is new enough. */
export function checkJava(name: string): void {
  const { stderr, error } = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const version = Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0)
  const isJdk = spawnSync('javac', ['-version'], { encoding: 'utf8' }).status === 0
  if (error !== undefined || version < JAVA_OLDEST || !isJdk)
    throw new Error(`${name} needs a JDK ${JAVA_OLDEST} or newer (Debian: openjdk-17-jdk-headless)`)
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
  await listening(name, child, port, () => written.join(''))
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function listening(
  name: string,
  child: ChildProcess,
  port: number,
  output: () => string,
): Promise<void> {
  const deadline = performance.now() + READY_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null)
      throw new Error(`${name} ended with ${child.exitCode}:\n${output()}`)
    if (await answers(port)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  child.kill('SIGKILL')
  throw new Error(`${name} was not ready within ${READY_MS} ms:\n${output()}`)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (is: boolean): void => {
      socket.destroy()
      resolve(is)
    }
    socket.on('connect', () => end(true))
    socket.on('error', () => end(false))
  })
}
