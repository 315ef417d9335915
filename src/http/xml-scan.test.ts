import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ValueBuilder, XmlError, type Values } from './xml-build.ts'
import { parseXml } from './xml-read.ts'
import { scanPlain } from './xml-scan.ts'

/** What the short cut makes of a document; undefined where it leaves it to the whole parser. */
function scan(text: string): Values | undefined | 'refused' {
  const builder = new ValueBuilder('Delete', 'Delete')
  try {
    return scanPlain(text, builder) ? builder.value : undefined
  } catch (error) {
    if (error instanceof XmlError) return 'refused'
    throw error
  }
}

function parse(text: string): Values | 'refused' {
  try {
    return parseXml(text, 'Delete', 'Delete')
  } catch (error) {
    if (error instanceof XmlError) return 'refused'
    throw error
  }
}

const KEY = '<Object><Key>a</Key></Object>'

test.each([
  `<Delete>${KEY}</Delete>`,
  `<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n  ${KEY}\n</Delete>\n`,
  `<?xml version='1.0'?><Delete xmlns='x'>${KEY}<Quiet>true</Quiet></Delete>`,
  '<Delete><Object><Key>&quot;&amp;&lt;&gt;&apos; é\u{1f600}</Key></Object><Unknown/></Delete>',
])('%s takes the short cut', (text) => {
  expect(scan(text)).toEqual(parse(text))
  expect(scan(text)).toHaveProperty('Objects')
})

test.each([
  `<Delete a="b">${KEY}</Delete>`,
  `<Delete><Object b="c"><Key>a</Key></Object></Delete>`,
  `<s:Delete>${KEY}</s:Delete>`,
  `<Delete>${KEY}</Delete><!-- c -->`,
  '<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>',
  '<Delete><Object><Key>&#97;</Key></Object></Delete>',
  '<Delete><Object><Key>a\r</Key></Object></Delete>',
  '<Delete><Object><Key>a]]></Key></Object></Delete>',
  `<!DOCTYPE Delete><Delete>${KEY}</Delete>`,
  `<?xml version="1.1"?><Delete>${KEY}</Delete>`,
  `<?xml version="1.0" encoding="UTF-16"?><Delete>${KEY}</Delete>`,
  `<Delete>${KEY}</Delete>x`,
  `<Delete>${KEY}`,
  '<Delete><Object><Key>a</Keys></Object></Delete>',
])('%j is left to the whole parser', (text) => {
  expect(scan(text)).toBe(undefined)
})

const TAGS = [
  '<Object>',
  '</Object>',
  '<Key>',
  '</Key>',
  '<Key/>',
  '<Size>',
  '</Size>',
  '<X>',
  '</X>',
  '<X/>',
]
const TEXTS = [
  ' ',
  '\n',
  'a',
  '7',
  '&amp;',
  '&lt',
  '&#97;',
  '&',
  '>',
  ']]>',
  '\r',
  '/',
  '"',
  '\u0001',
  'é',
  '</',
  '<',
  '<!--',
  '-->',
]
const WHOLES = [
  '<Object><Key>a</Key></Object>',
  '<Object><Key>b&gt;</Key><Size>1</Size></Object>',
  '<?xml version="1.0"?>',
]

test('where the short cut decides, it decides as the whole parser does', () => {
  const piece = fc.constantFrom(...TAGS, ...TEXTS, ...WHOLES)
  const document = fc
    .tuple(fc.array(piece, { maxLength: 8 }), fc.boolean())
    .map(([pieces, isClosed]) => `<Delete>${pieces.join('')}${isClosed ? '</Delete>' : ''}`)
  let decided = 0
  fc.assert(
    fc.property(document, (text) => {
      const quick = scan(text)
      if (quick !== undefined) decided += 1
      expect([undefined, parse(text)]).toContainEqual(quick)
    }),
    { numRuns: 3000 },
  )
  expect(decided).toBeGreaterThan(30)
})
