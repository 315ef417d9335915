/** `sluice torrent ...`: to the part that does it. What goes wrong is one line, and exit code 1. */
import type { Invocation } from './commands.ts'

export async function torrent(invocation: Invocation): Promise<number> {
  switch (invocation.action) {
    case 'add':
      return (await import('./torrent-add.ts')).add(invocation)
    case 'stream':
      return (await import('./torrent-stream.ts')).stream(invocation)
    case 'create':
      return (await import('./torrent-create.ts')).create(invocation)
    case 'verify':
      return (await import('./torrent-create.ts')).verify(invocation)
    default:
      return (await import('./torrent-list.ts')).administer(invocation)
  }
}
