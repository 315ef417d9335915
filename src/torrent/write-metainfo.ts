/** A .torrent file of an info dictionary as it was written, with what stands around it. */
import { bencode, type Encodable } from './bencode.ts'
import type { Metainfo } from './metainfo.ts'

/** The file; of trackers, web seeds and layers what is given, and nothing else. */
export function writeMetainfo({
  info,
  pieceLayers,
  trackers,
  webSeeds,
}: Pick<Metainfo, 'info' | 'pieceLayers' | 'trackers' | 'webSeeds'>): Buffer {
  const layers = new Map<string, Encodable>()
  for (const [root, layer] of pieceLayers)
    layers.set(Buffer.from(root, 'hex').toString('latin1'), layer)
  const parts: Uint8Array[] = [Buffer.from('d')]
  const add = (name: string, encoded: Uint8Array): void => {
    parts.push(bencode(name), encoded)
  }
  // In the order of their names. The dictionary goes as it is: its bytes are what the info hash names.
  const [tracker] = trackers[0] ?? []
  if (tracker !== undefined) add('announce', bencode(tracker))
  if (trackers.length > 0) add('announce-list', bencode(trackers))
  add('info', info.encoded)
  if (info.hashes.v2 !== undefined) add('piece layers', bencode(layers))
  if (webSeeds.length > 0) add('url-list', bencode(webSeeds))
  parts.push(Buffer.from('e'))
  return Buffer.concat(parts)
}
