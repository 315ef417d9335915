/** The door to the engines: each is loaded when it is chosen. */
import type { DiskIoBackend } from './disk-io.ts'
import type { EngineEvents, EngineOptions, TorrentEngine } from './engine.ts'

/** `auto`: libtorrent where its addon is built, else WebTorrent. */
export type EngineChoice = 'auto' | 'libtorrent' | 'webtorrent'

/**
 * Opens an engine over the disk; both are the caller's to close, the engine first. Rejects with one line
 * that says what to do where libtorrent is asked for and its addon is not there, or where the engine cannot
 * listen.
 */
export async function openEngine(
  choice: EngineChoice,
  disk: DiskIoBackend,
  options: EngineOptions,
  events: EngineEvents,
): Promise<TorrentEngine> {
  if (choice !== 'webtorrent') {
    const { hasNative } = await import('./libtorrent/native.ts')
    if (choice === 'libtorrent' || hasNative()) {
      const { LibtorrentEngine } = await import('./libtorrent/engine.ts')
      return LibtorrentEngine.open(disk, options, events)
    }
  }
  const { WebtorrentEngine } = await import('./webtorrent/engine.ts')
  return WebtorrentEngine.open(disk, options, events)
}
