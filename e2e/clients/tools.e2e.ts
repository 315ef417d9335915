/** s3cmd, rclone and restic with their default settings. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACCESS_KEY, type Gateway, SECRET_KEY, startGateway } from '../harness/gateway.ts'
import { nameOf, targets } from '../harness/matrix.ts'
import { succeed } from '../harness/shell.ts'
import { hashTree, makeTree } from '../harness/tree.ts'

for (const target of targets()) {
  describe(nameOf(target), () => {
    let gateway: Gateway
    let dir: string
    beforeAll(async () => {
      gateway = await startGateway(target)
      dir = await mkdtemp(join(tmpdir(), 'sluice-tools-'))
      await makeTree(join(dir, 'up'))
    })
    afterAll(async () => {
      await gateway[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    })

    test('s3cmd makes a bucket, syncs a tree both ways, copies, lists, sets an ACL and cleans up', async () => {
      const host = gateway.endpoint.replace(/^https?:\/\//, '')
      const s3cmd = (...args: string[]): Promise<string> =>
        succeed(
          [
            's3cmd',
            '-c',
            '/dev/null',
            `--host=${host}`,
            `--host-bucket=${host}`,
            gateway.caFile ? `--ca-certs=${gateway.caFile}` : '--no-ssl',
            `--access_key=${ACCESS_KEY}`,
            `--secret_key=${SECRET_KEY}`,
            '--no-progress',
            ...args,
          ],
          { cwd: dir },
        )
      await s3cmd('mb', 's3://s3cmd')
      await s3cmd('sync', 'up/', 's3://s3cmd/tree/')
      await s3cmd('sync', 's3://s3cmd/tree/', 'down-s3cmd/')
      expect(await hashTree(join(dir, 'down-s3cmd'))).toEqual(await hashTree(join(dir, 'up')))
      await s3cmd('--multipart-chunk-size-mb=5', 'put', 'up/big.bin', 's3://s3cmd/big')
      await s3cmd('cp', 's3://s3cmd/big', 's3://s3cmd/big copy')
      expect(await s3cmd('ls', 's3://s3cmd/')).toContain('s3://s3cmd/big copy')
      expect(await s3cmd('info', 's3://s3cmd/big')).toContain('9437201')
      await s3cmd('setacl', '--acl-public', 's3://s3cmd/big')
      await s3cmd('rm', '--recursive', '--force', 's3://s3cmd/')
      await s3cmd('rb', 's3://s3cmd')
    })

    test('rclone copies a tree both ways, checks it, streams, moves and purges', async () => {
      const env = {
        RCLONE_CONFIG: '/dev/null',
        RCLONE_CONFIG_GATE_TYPE: 's3',
        RCLONE_CONFIG_GATE_PROVIDER: 'Other',
        RCLONE_CONFIG_GATE_ACCESS_KEY_ID: ACCESS_KEY,
        RCLONE_CONFIG_GATE_SECRET_ACCESS_KEY: SECRET_KEY,
        RCLONE_CONFIG_GATE_ENDPOINT: gateway.endpoint,
        ...(gateway.caFile && { RCLONE_CA_CERT: gateway.caFile }),
      }
      const rclone = (args: string[], input?: string): Promise<string> =>
        succeed(['rclone', ...args], { cwd: dir, env, ...(input !== undefined && { input }) })
      await rclone(['mkdir', 'gate:rclone'])
      await rclone([
        'copy',
        'up',
        'gate:rclone/tree',
        '--s3-upload-cutoff',
        '5M',
        '--s3-chunk-size',
        '5M',
      ])
      await rclone(['check', 'up', 'gate:rclone/tree'])
      await rclone(['copy', 'gate:rclone/tree', 'down-rclone'])
      expect(await hashTree(join(dir, 'down-rclone'))).toEqual(await hashTree(join(dir, 'up')))
      await rclone(['rcat', 'gate:rclone/streamed'], 'streamed')
      expect(await rclone(['cat', 'gate:rclone/streamed'])).toBe('streamed')
      await rclone(['moveto', 'gate:rclone/streamed', 'gate:rclone/moved'])
      expect(await rclone(['lsf', 'gate:rclone'])).toBe('moved\ntree/\n')
      await rclone(['purge', 'gate:rclone/tree'])
      await rclone(['purge', 'gate:rclone'])
    })

    test('restic initialises, backs up, checks all data, restores byte-identical, and prunes', async () => {
      const env = {
        AWS_ACCESS_KEY_ID: ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY: SECRET_KEY,
        RESTIC_PASSWORD: 'p',
        RESTIC_REPOSITORY: `s3:${gateway.endpoint}/restic/repo`,
        RESTIC_CACHE_DIR: join(dir, 'cache'),
        ...(gateway.caFile && { RESTIC_CACERT: gateway.caFile }),
      }
      const tls = gateway.caFile ? ['--cacert', gateway.caFile] : []
      const restic = (...args: string[]): Promise<string> =>
        succeed(['restic', ...tls, ...args], { cwd: dir, env })
      await restic('init')
      await restic('backup', 'up')
      await writeFile(join(dir, 'up', 'later.txt'), 'later')
      await restic('backup', 'up')
      await restic('check', '--read-data')
      await restic('restore', 'latest', '--target', 'restored')
      expect(await hashTree(join(dir, 'restored', 'up'))).toEqual(await hashTree(join(dir, 'up')))
      await restic('forget', '--keep-last', '1', '--prune')
    })
  })
}
