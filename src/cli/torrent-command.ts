/** `sluice torrent`: its words and flags. */
import type { Command } from './commands.ts'

export const TORRENT: Command = {
  name: 'torrent',
  help: 'torrents that the gateway downloads into buckets, and torrents of objects',
  actions: {
    ls: 'what there is, and how far it is',
    add: 'downloads a torrent into a bucket',
    files: 'the files of a torrent; with --files, which are wanted from now on',
    rm: 'removes a torrent; objects stay, unless --data is given',
    stream: 'a file to standard output, while it is downloaded or afterwards',
    scrub: 'compares what is stored with its hashes, and gets again what is damaged',
    create: 'makes a .torrent file of an object, or of all below a prefix, at any S3',
    verify: 'are objects as a .torrent file says? exit code 1 where not',
  },
  operands: {
    add: ['MAGNET|FILE|URL|S3-URI'],
    files: ['ID'],
    rm: ['ID'],
    stream: ['ID', '[FILE]'],
    scrub: ['ID'],
    create: ['S3-URI'],
    verify: ['TORRENT', 'S3-URI'],
  },
  hasSettings: false,
  hasJson: true,
  ownFlags: [
    { flag: 'config', hint: 'FILE', help: 'configuration of the gateway, which is running here' },
    {
      flag: 'endpoint',
      hint: 'URL',
      help: 'the gateway (or S3) instead, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    },
    { flag: 'bucket', hint: 'NAME', help: 'of add: where the files go' },
    { flag: 'prefix', hint: 'PREFIX', help: 'of add: below which folder of the bucket' },
    {
      flag: 'files',
      hint: 'FILE,...',
      help: 'of add and files: by index, range (2-5), path or folder (extras/); all',
    },
    { flag: 'peer', hint: 'HOST:PORT,...', help: 'of add: peers to try' },
    { flag: 'no-seed', help: 'of add: serve no peers once it is whole' },
    { flag: 'overwrite', help: 'of add: replace objects that are in the way' },
    { flag: 'wait', help: 'of add: until it is done, with a bar' },
    { flag: 'follow', help: 'of ls: go on showing it' },
    { flag: 'data', help: 'of rm: remove the objects too' },
    { flag: 'out', hint: 'FILE', help: 'of create: where to; standard output' },
    { flag: 'torrent-version', hint: 'v1|v2|hybrid', help: 'of create [hybrid]' },
    { flag: 'piece-size', hint: 'SIZE', help: 'of create: a power of two' },
    { flag: 'tracker', hint: 'URL,...', help: 'of create: trackers to name' },
    {
      flag: 'public-url',
      hint: 'URL',
      help: 'of create: how others reach the S3, for the web seed',
    },
  ],
  run: async (invocation) => (await import('./torrent.ts')).torrent(invocation),
}
