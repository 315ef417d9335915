import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MODEL } from '../src/api/model.gen.ts'
import { readShape, writeShape, type Shape } from '../src/api/model.ts'
import { main, patched } from './build.ts'
import { describe } from './describe.ts'
import { readSdk } from './read-sdk.ts'

const sdk = readSdk()
const model = patched(sdk)

test('what is generated is what lies in the repository', () => {
  expect(main(true)).toBe(0)
})

test('every operation of the SDK is in the table, with all its shapes', () => {
  expect(Object.keys(MODEL.operations)).toHaveLength(112)
  for (const { input, output } of Object.values(MODEL.operations)) {
    for (const name of [input, output])
      expect(name === undefined || name in MODEL.shapes).toBe(true)
  }
})

test('a shape comes back from its line', () => {
  for (const shape of Object.values(model.shapes))
    expect(readShape(writeShape(shape))).toEqual(shape)
  const shape: Shape = {
    root: 'Root',
    members: {
      A: { type: 'string', place: 'element', wire: 'A', item: '', required: true },
      B: { type: 'X', place: 'element', wire: 'b', item: 'Item' },
      C: { type: 'number', place: 'header', wire: 'x-c' },
    },
  }
  expect(writeShape(shape)).toBe('Root|A! string[] element|B X[Item] element b|C number header x-c')
  expect(readShape(writeShape(shape))).toEqual(shape)
})

test('a patch that meets nothing stops the build', () => {
  expect(() => patched({ operations: sdk.operations, shapes: {} })).toThrow(
    'which the model has not',
  )
  expect(() => patched({ operations: {}, shapes: sdk.shapes })).toThrow('which the model has not')
})

/** All values of the name anywhere inside. */
function every(name: string, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(key === name ? [inner] : []),
    ...every(name, inner),
  ])
}

test('the description has every operation once, and every reference leads somewhere', () => {
  const document = JSON.parse(JSON.stringify(describe(model, new Set(['PutObject'])))) as {
    components: { schemas: object; responses: object }
  }
  const ids = every('operationId', document)
  expect(ids).toHaveLength(112)
  expect(new Set(ids)).toEqual(new Set(Object.keys(model.operations)))
  // All but the one that has a handler are marked.
  expect(every('x-implemented', document)).toEqual(Array(111).fill(false))
  const references = every('$ref', document)
  expect(references.length).toBeGreaterThan(300)
  for (const reference of references) {
    const [, , kind = '', name = ''] = String(reference).split('/')
    expect(document.components).toHaveProperty([kind, decodeURIComponent(name)])
  }
})

test('the description says what the wire does', () => {
  const text = readFileSync(new URL('./s3.openapi.json', import.meta.url), 'utf8')
  const { paths } = JSON.parse(text) as {
    paths: Record<string, Record<string, { operationId: string; responses: object }>>
  }
  expect(paths['/{Bucket}/{Key}']?.['get']?.operationId).toBe('GetObject')
  expect(Object.keys(paths['/{Bucket}/{Key}']?.['get']?.responses ?? {})).toEqual([
    '200',
    '206',
    'default',
  ])
  expect(paths['/{Bucket}?delete']?.['post']?.operationId).toBe('DeleteObjects')
  expect(paths['/{Bucket}/{Key}#x-amz-copy-source']?.['put']?.operationId).toBe('CopyObject')
})
