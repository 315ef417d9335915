/**
 * S3 Select's SQL (S3 User Guide, "SQL reference for Amazon S3 Select"): a query's text to a `Query`.
 * Everything in it is understood or refused.
 */
import { type Column, type Query } from './query.ts'
import { Expressions } from './parse-expression.ts'
import { SelectError } from './select-error.ts'

/** UTF-8. */
const EXPRESSION_BYTES_MAX = 256 * 1024

/** Throws SelectError. */
export function parseQuery(text: string): Query {
  if (Buffer.byteLength(text) > EXPRESSION_BYTES_MAX) throw new SelectError('ExpressionTooLong')
  const words = new Expressions(text)
  words.expectWord('SELECT')
  // Names of the table are not known before FROM, which comes behind them: read twice.
  const columnsAt = words.position
  const isStar = words.takeStarList()
  if (!isStar) columnsOf(words)
  if (!words.takeWord('FROM')) throw new SelectError('ParseSelectMissingFrom')
  const from = words.table()
  const behindFrom = words.position
  words.position = columnsAt
  words.aggregates.length = 0
  const columns = isStar ? (words.takeStarList(), undefined) : columnsOf(words)
  const selected = words.aggregates.length
  words.position = behindFrom
  const where = words.takeWord('WHERE') ? words.expression() : undefined
  if (words.aggregates.length > selected) {
    throw new SelectError('UnsupportedSqlStructure', 'WHERE holds an aggregate.')
  }
  const limit = words.takeWord('LIMIT') ? words.wholeNumber() : undefined
  words.takeSign(';')
  words.expectEnd()
  const { aggregates } = words
  checkMixed(columns, aggregates.length)
  return { columns, from, where, limit, aggregates }
}

/** With an aggregate among them, all columns have to be made of aggregates and literals. */
function checkMixed(columns: readonly Column[] | undefined, aggregates: number): void {
  if (aggregates === 0 || columns === undefined) return
  for (const { value } of columns) {
    if (readsRecord(value)) {
      throw new SelectError('UnsupportedSqlStructure', 'There is no GROUP BY.')
    }
  }
}

/** Whether an expression looks at the record outside of an aggregate. */
function readsRecord(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(readsRecord)
  const { kind } = value as { readonly kind?: string }
  if (kind === 'aggregate') return false
  return kind === 'path' || Object.values(value).some(readsRecord)
}

function columnsOf(words: Expressions): readonly Column[] {
  const columns: Column[] = []
  do {
    if (words.isSign('*')) throw new SelectError('ParseInvalidContextForWildcardInSelectList')
    const value = words.expression()
    const alias = words.alias()
    columns.push({ value, name: alias ?? words.nameOf(value) ?? `_${columns.length + 1}` })
  } while (words.takeSign(','))
  return columns
}
