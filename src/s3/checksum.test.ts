import { expect, test } from 'vitest'
import { CHECKSUM_ALGORITHMS } from '../api/checksum.ts'
import { digestOf } from '../lib/digest.ts'
import {
  addChecksum,
  algorithmNamed,
  checksumOf,
  combineChecksums,
  digestsFor,
  uploadAlgorithm,
  uploadChecksumType,
} from './checksum.ts'
import { BytesPayload } from './s3.fixture.ts'

test('an upload has the checksum that the client sends, else the one it names, else CRC64NVME', () => {
  const bytes = Buffer.from('x')
  const claiming = new BytesPayload(bytes, { algorithm: 'SHA1' })
  expect(uploadAlgorithm(claiming, 'CRC32')).toBe('SHA1')
  expect(uploadAlgorithm(new BytesPayload(bytes), 'crc32c')).toBe('CRC32C')
  expect(uploadAlgorithm(undefined, undefined)).toBe('CRC64NVME')
  expect(() => algorithmNamed('CRC7')).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
})

test('each algorithm is asked for by its name, with MD5 or alone', () => {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    expect(digestsFor(algorithm, true)).toEqual(['md5', algorithm])
    expect(digestsFor(algorithm, false)).toEqual([algorithm])
  }
})

test('a stored checksum becomes its member, and only one may be sent', () => {
  const output = {}
  addChecksum(output, ['SHA256', 'abc', 'COMPOSITE'])
  expect(output).toEqual({ ChecksumSHA256: 'abc', ChecksumType: 'COMPOSITE' })
  addChecksum(output, undefined)
  expect(checksumOf({ ChecksumCRC32: 'x' })).toEqual(['CRC32', 'x'])
  expect(checksumOf({})).toBeUndefined()
  expect(() => checksumOf({ ChecksumCRC32: 'x', ChecksumSHA1: 'y' })).toThrow(
    expect.objectContaining({ code: 'InvalidRequest' }),
  )
})

test('only pairs of algorithm and type that S3 has are taken', () => {
  expect(uploadChecksumType('CRC64NVME', undefined)).toBe('FULL_OBJECT')
  expect(uploadChecksumType('CRC32', undefined)).toBe('COMPOSITE')
  expect(uploadChecksumType('CRC32', 'FULL_OBJECT')).toBe('FULL_OBJECT')
  expect(uploadChecksumType('SHA256', 'COMPOSITE')).toBe('COMPOSITE')
  expect(() => uploadChecksumType('SHA256', 'FULL_OBJECT')).toThrow(
    'The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.',
  )
  expect(() => uploadChecksumType('CRC64NVME', 'COMPOSITE')).toThrow(
    'The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.',
  )
})

test('the full-object checksum of parts is that of their bytes, the composite one that of their digests', () => {
  const bodies = ['first part, ', '', 'second part'].map((text) => Buffer.from(text))
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
    const parts = bodies.map((body) => ({ checksum: digestOf(algorithm, body), size: body.length }))
    const whole = digestOf(algorithm, Buffer.concat(bodies))
    expect(combineChecksums(algorithm, 'FULL_OBJECT', parts)).toEqual([
      algorithm,
      whole,
      'FULL_OBJECT',
    ])
  }
  const parts = bodies.map((body) => ({ checksum: digestOf('SHA1', body), size: body.length }))
  const digests = Buffer.concat(parts.map((part) => Buffer.from(part.checksum, 'base64')))
  expect(combineChecksums('SHA1', 'COMPOSITE', parts)).toEqual([
    'SHA1',
    `${digestOf('SHA1', digests)}-3`,
    'COMPOSITE',
  ])
})
