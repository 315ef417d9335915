import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configOf } from './config.ts'

const KEYS = { accessKeyId: 'a', secretAccessKey: 's' }

function targetsOf(...targets: object[]): ReturnType<typeof configOf>['replication'] {
  return configOf({ replication: { targets } }).replication
}

test('a target is asked by paths where it has an endpoint, and has its own name there unless another is said', () => {
  const endpoint = 'https://s3.example.com'
  expect(targetsOf({ bucket: 'copy', endpoint, ...KEYS }, { bucket: 'aws', ...KEYS })).toEqual([
    expect.objectContaining({ remoteBucket: 'copy', pathStyle: true, marksReplicas: true }),
    expect.objectContaining({ remoteBucket: 'aws', pathStyle: false, region: 'us-east-1' }),
  ])
})

test('a secret stands there or in a file, and a name is there once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  const file = join(folder, 'secret')
  writeFileSync(file, 'from the file\n')
  const { accessKeyId } = KEYS
  const [target] = targetsOf({ bucket: 'copy', accessKeyId, secretAccessKeyFile: file })
  expect(target!.secretAccessKey).toBe('from the file')
  rmSync(folder, { recursive: true })
  expect(() => targetsOf({ bucket: 'copy', accessKeyId })).toThrow('either secretAccessKey')
  expect(() => targetsOf({ bucket: 'copy', ...KEYS, secretAccessKeyFile: file })).toThrow('either')
  expect(() => targetsOf({ bucket: 'copy', ...KEYS }, { bucket: 'copy', ...KEYS })).toThrow('twice')
})
