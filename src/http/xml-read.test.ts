import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { XML_DEPTH_MAX } from '../api/limits.ts'
import { MODEL } from '../api/model.gen.ts'
import { readShape } from '../api/model.ts'
import { XmlError } from './xml-build.ts'
import { readXml } from './xml-read.ts'
import { documentWriter } from './xml-write.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const deleted = (text: string): unknown => readXml(encode(text), 'Delete', 'Delete')
const completed = (text: string): unknown =>
  readXml(encode(text), 'CompleteMultipartUpload', 'CompletedMultipartUpload')

const ONE = { Objects: [{ Key: 'a' }] }

test.each([
  '<Delete><Object><Key>a</Key></Object></Delete>',
  '<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object></Delete>',
  '\ufeff<Delete>\n  <Object>\n    <Key>a</Key>\n  </Object>\n</Delete>\n',
  '<s3:Delete xmlns:s3="x"><s3:Object><s3:Key>a</s3:Key></s3:Object></s3:Delete>',
  '<Delete><Unknown><Key>b</Key>text</Unknown><Object><Key>a</Key><More/></Object></Delete>',
  '<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>',
  '<Delete><!-- c --><Object a="b"><Key>&#97;</Key></Object></Delete>',
  "<?xml version='1.0'?><Delete ><Object ><Key >a</Key ></Object ></Delete >",
])('%s names one key', (text) => {
  expect(deleted(text)).toEqual(ONE)
})

test('both orders of elements are read, and both spellings of quotes', () => {
  const wanted = { Parts: [{ ETag: '"e"', PartNumber: 1 }] }
  for (const part of [
    '<PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag>',
    '<ETag>"e"</ETag><PartNumber> 1 </PartNumber>',
    '<ETag>&#34;e&#x22;</ETag><PartNumber>1</PartNumber>',
  ])
    expect(
      completed(`<CompleteMultipartUpload><Part>${part}</Part></CompleteMultipartUpload>`),
    ).toEqual(wanted)
})

test('a key keeps its blanks and its special characters', () => {
  const text = deleted(
    '<Delete><Object><Key> a&amp;&lt;&#13;\u00e9\u{1f600} </Key></Object></Delete>',
  )
  expect(text).toEqual({ Objects: [{ Key: ' a&<\r\u00e9\u{1f600} ' }] })
})

test.each([
  '',
  ' ',
  'Delete',
  '<Delete>',
  '<Delete></Delete>',
  '<Delete/>',
  '<Deleted><Object><Key>a</Key></Object></Deleted>',
  '<Delete><Object></Object></Delete>',
  '<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>',
  '<Delete><Object><Key>a<b/></Key></Object></Delete>',
  '<Delete><Object>x<Key>a</Key></Object></Delete>',
  '<Delete><Object><Key>a</Object></Key></Delete>',
  '<Delete><Object><Key>a</Key></Object></Delete><Delete/>',
  '<Delete><Object><Key>a</Key></Object></Delete>x',
  '<Delete><Object><Key>a</Key></Object><Quiet>maybe</Quiet></Delete>',
  '<Delete><Object><Key>a</Key><Size>1.5</Size></Object></Delete>',
  '<Delete><Object><Key>a</Key><Size></Size></Object></Delete>',
  '<Delete><Object><Key>a</Key><LastModifiedTime>soon</LastModifiedTime></Object></Delete>',
  '<Delete><Object><Key>&undefined;</Key></Object></Delete>',
  '<Delete><Object><Key>a & b</Key></Object></Delete>',
  '<Delete><Object><Key>&#0;</Key></Object></Delete>',
  '<Delete><Object><Key>\u0001</Key></Object></Delete>',
  '<Delete><Object><Key>a]]>b</Key></Object></Delete>',
  '<Delete a="1" a="2"><Object><Key>a</Key></Object></Delete>',
  '<!DOCTYPE Delete><Delete><Object><Key>a</Key></Object></Delete>',
  '<!DOCTYPE Delete [<!ENTITY e "a">]><Delete><Object><Key>&e;</Key></Object></Delete>',
])('%j is refused', (text) => {
  expect(() => deleted(text)).toThrow(XmlError)
})

test('bytes that are no UTF-8 are refused', () => {
  const bytes = Buffer.from('<Delete><Object><Key>\xff</Key></Object></Delete>', 'latin1')
  expect(() => readXml(bytes, 'Delete', 'Delete')).toThrow(XmlError)
})

const nested = (depth: number): string =>
  `<Delete>${'<x>'.repeat(depth)}${'</x>'.repeat(depth)}<Object><Key>a</Key></Object></Delete>`

test('a document is as deep as allowed and no deeper', () => {
  expect(deleted(nested(XML_DEPTH_MAX - 1))).toEqual(ONE)
  expect(() => deleted(nested(XML_DEPTH_MAX))).toThrow(XmlError)
})

const read = (attribute: string): unknown =>
  readXml(
    encode(
      `<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:q="http://www.w3.org/2001/XMLSchema-instance" ${attribute}><ID>i</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`,
    ),
    'AccessControlPolicy',
    'AccessControlPolicy',
  )

test('the kind of a grantee is read whatever its prefix', () => {
  const wanted = { Grants: [{ Grantee: { Type: 'CanonicalUser', ID: 'i' }, Permission: 'READ' }] }
  expect(read('q:type="CanonicalUser"')).toEqual(wanted)
  expect(() => read('')).toThrow(XmlError)
  expect(() => read('q:type="Nobody"')).toThrow(XmlError)
})

/** Documents that requests carry: root element to shape. */
function documents(): [root: string, shape: string][] {
  const found: [string, string][] = []
  for (const { input } of Object.values(MODEL.operations)) {
    for (const { place, type, wire } of Object.values(
      readShape(MODEL.shapes[input ?? ''] ?? '').members,
    )) {
      if (place === 'payload' && type in MODEL.shapes) found.push([wire, type])
    }
  }
  return found
}

/** Any character that XML 1.0 can carry. */
const character = fc.string({ unit: 'binary', maxLength: 6 }).map((text) =>
  // oxlint-disable-next-line no-control-regex
  text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, 'x'),
)

function valueOf(type: string, rule: string, depth: number): fc.Arbitrary<unknown> {
  if (type in MODEL.shapes) return structureOf(type, depth)
  const values = MODEL.choices[rule]?.values
  if (values !== undefined) return fc.constantFrom(...values)
  if (type === 'string') return character
  if (type === 'number') return fc.maxSafeInteger()
  if (type === 'boolean') return fc.boolean()
  return fc.integer({ min: 0, max: 4_102_444_800 }).map((second) => new Date(second * 1000))
}

function structureOf(shape: string, depth: number): fc.Arbitrary<unknown> {
  const members: Record<string, fc.Arbitrary<unknown>> = {}
  const required: string[] = []
  for (const [name, { type, item, required: must }] of Object.entries(
    readShape(MODEL.shapes[shape] ?? '').members,
  )) {
    if (depth > 5 && !must) continue
    const value = valueOf(type, `${shape}.${name}`, depth + 1)
    const minLength = item === '' ? 1 : 0
    members[name] = item === undefined ? value : fc.array(value, { minLength, maxLength: 2 })
    if (must) required.push(name)
  }
  return fc.record(members, { requiredKeys: required })
}

test.each(documents())('what is written as %s is read again (%s)', (root, shape) => {
  const write = documentWriter(root, shape)
  fc.assert(
    fc.property(structureOf(shape, 0), (value) => {
      expect(readXml(encode(write(value)), root, shape)).toEqual(value)
    }),
    { numRuns: 20 },
  )
})
