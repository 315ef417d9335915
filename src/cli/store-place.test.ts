import { expect, test } from 'vitest'
import { storePlace } from './store-place.ts'

test('a place has no secrets in it, and tells stores apart', () => {
  const url = 'postgres://user:secret@db:5432/rows?sslmode=require'
  const postgres = { engine: 'postgres', url, schema: 'sluice', poolSize: 1 } as const
  expect(storePlace(postgres)).toBe('postgres db:5432/rows sluice')
  expect(storePlace({ ...postgres, schema: 'other' })).not.toBe(storePlace(postgres))
  const s3 = { engine: 's3', bucket: 'b', endpoint: 'http://x', secretAccessKey: 'secret' } as const
  expect(storePlace(s3)).toBe('s3 http://x b/')
  expect(storePlace({ engine: 'gcs', bucket: 'b', prefix: 'p/' })).toBe('gcs  b/p/')
  const connectionString = 'AccountName=acc;AccountKey=secret'
  expect(storePlace({ engine: 'azure', container: 'c', connectionString })).toBe('azure acc c/')
  expect(storePlace({ engine: 'fs', path: '/a' })).toBe('fs /a')
  expect(storePlace({ engine: 'sqlite', path: '/a', cache: { rows: 5, ttlMs: 0 } })).toBe(
    'sqlite /a',
  )
})
