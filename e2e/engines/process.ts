/** Servers that run as processes of their own. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

/** A Java machine takes its time on a busy one. */
const READY_MS = 180_000

/** Resolves once something listens on the port of 127.0.0.1; rejects with the output where the process ends. */
export async function untilListening(
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

/** Ends it at once, if it has not. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
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
