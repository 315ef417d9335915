/**
 * XML documents of requests to typed values, by the model.
 *
 * Strict where a second reader could understand something else: well-formed UTF-8 and XML 1.0, the
 * model's root, no DOCTYPE (so no entities but XML's five), no element twice that stands once, no
 * text between elements. Lenient where clients differ: any namespace or prefix or none, any order
 * of elements, elements that the model does not know.
 */
import { SaxesParser } from 'saxes'
import { XML_BYTES_MAX } from '../api/limits.ts'
import { localName, ValueBuilder, XmlError, type Values } from './xml-build.ts'
import { scanPlain } from './xml-scan.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function decode(document: Uint8Array): string {
  if (document.byteLength > XML_BYTES_MAX) throw new XmlError('too long')
  try {
    return UTF8.decode(document)
  } catch (error) {
    throw new XmlError('no UTF-8', { cause: error })
  }
}

/**
 * @param root the document's element
 * @param shape name of its shape in the model
 * @throws XmlError for everything that is not such a document
 */
export function readXml(document: Uint8Array, root: string, shape: string): Values {
  const text = decode(document)
  const quick = new ValueBuilder(root, shape)
  return scanPlain(text, quick) ? quick.value : parseXml(text, root, shape)
}

/** The same without the short cut: any XML. */
export function parseXml(text: string, root: string, shape: string): Values {
  const builder = new ValueBuilder(root, shape)
  const parser = new SaxesParser<{ xmlns: false; position: false }>({
    xmlns: false,
    position: false,
  })
  parser.on('opentag', (tag) => builder.open(localName(tag.name), tag.attributes))
  parser.on('closetag', () => builder.close())
  parser.on('text', (content) => builder.text(content))
  parser.on('cdata', (content) => builder.text(content))
  parser.on('doctype', () => {
    throw new XmlError('a document type')
  })
  parser.on('error', (error) => {
    throw new XmlError(error.message)
  })
  parser.write(text).close()
  return builder.value
}
