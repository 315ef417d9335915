import { expect, test } from 'vitest'
import { readMetainfo } from './read-metainfo.ts'
import { content, made } from './session.fixture.ts'
import { writeMetainfo } from './write-metainfo.ts'

test.each(['v1', 'v2', 'hybrid'] as const)(
  '%s: what is written is read as it was',
  async (version) => {
    const { metainfo } = await made(
      { a: content(100_000), b: content(70_000, 3) },
      {
        version,
        trackers: [['http://t.example/announce'], ['udp://u.example:1']],
        webSeeds: ['http://s.example/'],
      },
    )
    const again = readMetainfo(writeMetainfo(metainfo))
    expect(again.info.hashes).toEqual(metainfo.info.hashes)
    expect(again.pieceLayers).toEqual(metainfo.pieceLayers)
    expect(again.trackers).toEqual(metainfo.trackers)
    expect(again.webSeeds).toEqual(metainfo.webSeeds)
    const bare = readMetainfo(writeMetainfo({ ...metainfo, trackers: [], webSeeds: [] }))
    expect(bare.trackers).toEqual([])
    expect(bare.webSeeds).toEqual([])
  },
)
