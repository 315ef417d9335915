import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { nameOf, targets } from '../harness/matrix.ts'
import { python } from '../harness/programs.ts'
import { awsEnvironment, run, succeed } from '../harness/shell.ts'
import { hashFile, hashTree, makeFile, makeTree } from '../harness/tree.ts'

const VERSIONS: readonly (readonly [string, readonly string[]])[] = [
  ['v1', [python(), '-m', 'awscli']],
  // Debian's v2 is older than AWS_ENDPOINT_URL: the endpoint is an argument.
  ['v2', ['/usr/bin/aws']],
]

for (const target of targets()) {
  describe.each(VERSIONS)(`aws-cli %s: ${nameOf(target)}`, (version, command) => {
    let gateway: Gateway
    let dir: string
    let program: readonly string[]
    const bucket = `cli-${version}`
    const aws = (...args: string[]): Promise<string> =>
      succeed([...program, ...args], { env: awsEnvironment(gateway), cwd: dir })
    const json = async (...args: string[]): Promise<Record<string, unknown>> =>
      JSON.parse((await aws(...args, '--output', 'json')) || '{}') as Record<string, unknown>

    beforeAll(async () => {
      gateway = await startGateway(target)
      program = [...command, '--endpoint-url', gateway.endpoint]
      dir = await mkdtemp(join(tmpdir(), 'sluice-cli-'))
      await makeTree(join(dir, 'up'))
      await aws('s3', 'mb', `s3://${bucket}`)
    })
    afterAll(async () => {
      await gateway[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    })

    test('a tree with odd names goes up and comes down byte-identical, and a second sync moves nothing', async () => {
      await aws('s3', 'sync', 'up', `s3://${bucket}/tree`, '--only-show-errors')
      await aws('s3', 'sync', `s3://${bucket}/tree`, 'down', '--only-show-errors')
      expect(await hashTree(join(dir, 'down'))).toEqual(await hashTree(join(dir, 'up')))
      expect(await aws('s3', 'sync', 'up', `s3://${bucket}/tree`)).toBe('')
      const listed = await aws('s3', 'ls', '--recursive', `s3://${bucket}/tree/`)
      expect(listed.trim().split('\n')).toHaveLength((await hashTree(join(dir, 'up'))).size)
      expect(await aws('s3', 'ls', `s3://${bucket}/tree/`)).toContain('PRE dots/')
    })

    test('a file in many parts goes up, is copied by parts, moved, and comes down byte-identical', async () => {
      const file = join(dir, 'large.bin')
      await makeFile(file, 40 * 1024 * 1024 + 5)
      await aws(
        's3',
        'cp',
        'large.bin',
        `s3://${bucket}/large`,
        '--only-show-errors',
        '--metadata',
        'colour=blue',
      )
      await aws('s3', 'cp', `s3://${bucket}/large`, `s3://${bucket}/copy`, '--only-show-errors')
      await aws(
        's3',
        'mv',
        `s3://${bucket}/copy`,
        `s3://${bucket}/moved to/here`,
        '--only-show-errors',
      )
      await aws('s3', 'cp', `s3://${bucket}/moved to/here`, 'back.bin', '--only-show-errors')
      expect(await hashFile(join(dir, 'back.bin'))).toBe(await hashFile(file))
      const head = await json('s3api', 'head-object', '--bucket', bucket, '--key', 'large')
      expect(head['Metadata']).toEqual({ colour: 'blue' })
      expect(head['ETag']).toMatch(/^"[0-9a-f]{32}-6"$/)
      expect(
        (
          await run([...program, 's3api', 'head-object', '--bucket', bucket, '--key', 'copy'], {
            env: awsEnvironment(gateway),
          })
        ).code,
      ).not.toBe(0)
    })

    test('a stream goes up from standard input and comes down to standard output', async () => {
      const text = 'line\n'.repeat(1000)
      await succeed([...program, 's3', 'cp', '-', `s3://${bucket}/stream`], {
        env: awsEnvironment(gateway),
        input: text,
      })
      expect(await aws('s3', 'cp', `s3://${bucket}/stream`, '-')).toBe(text)
    })

    test('the low-level calls answer what the service answers', async () => {
      await writeFile(join(dir, 'hello.txt'), 'hello world')
      const put = await json(
        's3api',
        'put-object',
        '--bucket',
        bucket,
        '--key',
        'hello',
        '--body',
        'hello.txt',
        '--content-type',
        'text/plain',
        '--checksum-algorithm',
        'SHA256',
      )
      expect(put['ETag']).toBe('"5eb63bbbe01eeed093cb22bb8f5acdc3"')
      expect(put['ChecksumSHA256']).toBe('uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=')
      const got = await json(
        's3api',
        'get-object',
        '--bucket',
        bucket,
        '--key',
        'hello',
        '--range',
        'bytes=6-',
        'part.txt',
      )
      expect(got).toMatchObject({
        ContentLength: 5,
        ContentRange: 'bytes 6-10/11',
        ContentType: 'text/plain',
      })
      expect(await readFile(join(dir, 'part.txt'), 'utf8')).toBe('world')
      const page = await json(
        's3api',
        'list-objects-v2',
        '--bucket',
        bucket,
        '--prefix',
        'hel',
        '--fetch-owner',
      )
      expect(page['Contents']).toMatchObject([{ Key: 'hello', Size: 11, StorageClass: 'STANDARD' }])
      const attributes = await json(
        's3api',
        'get-object-attributes',
        '--bucket',
        bucket,
        '--key',
        'hello',
        '--object-attributes',
        'ETag',
        'ObjectSize',
        'Checksum',
      )
      expect(attributes).toMatchObject({ ETag: '5eb63bbbe01eeed093cb22bb8f5acdc3', ObjectSize: 11 })
      expect(
        (await json('s3api', 'get-bucket-location', '--bucket', bucket))['LocationConstraint'] ??
          null,
      ).toBeNull()
    })

    test('a presigned URL can be fetched by anyone until it expires', async () => {
      await writeFile(join(dir, 'shared.txt'), 'for you')
      await aws('s3', 'cp', 'shared.txt', `s3://${bucket}/shared file.txt`, '--only-show-errors')
      // v1 presigns with SigV2 unless it is told otherwise.
      await writeFile(join(dir, 'config'), '[default]\ns3 =\n  signature_version = s3v4\n')
      const env = { ...awsEnvironment(gateway), AWS_CONFIG_FILE: join(dir, 'config') }
      const presign = ['s3', 'presign', `s3://${bucket}/shared file.txt`, '--expires-in', '60']
      const url = (await succeed([...program, ...presign], { env })).trim()
      expect(await succeed(['curl', '-sfk', url])).toBe('for you')
    })

    test('a missing key, a missing bucket and a wrong secret are told apart', async () => {
      const fails = async (args: string[], env: Record<string, string> = {}): Promise<string> => {
        const { code, stderr } = await run([...program, ...args], {
          env: { ...awsEnvironment(gateway), ...env },
        })
        expect(code).not.toBe(0)
        return stderr
      }
      expect(
        await fails(['s3api', 'get-object', '--bucket', bucket, '--key', 'nowhere', '/dev/null']),
      ).toContain('NoSuchKey')
      expect(await fails(['s3', 'ls', 's3://no-such-bucket-here'])).toContain('NoSuchBucket')
      expect(await fails(['s3', 'ls'], { AWS_SECRET_ACCESS_KEY: 'wrong' })).toContain(
        'SignatureDoesNotMatch',
      )
      expect(await fails(['s3', 'ls'], { AWS_ACCESS_KEY_ID: 'AKIANOBODY0000000000' })).toContain(
        'InvalidAccessKeyId',
      )
      expect(await fails(['s3', 'rb', `s3://${bucket}`])).toContain('BucketNotEmpty')
    })

    test('a bucket is emptied and removed', async () => {
      await aws('s3', 'rm', `s3://${bucket}/tree`, '--recursive', '--only-show-errors')
      await aws('s3', 'rb', `s3://${bucket}`, '--force')
      expect(await aws('s3', 'ls')).toBe('')
    })
  })
}
