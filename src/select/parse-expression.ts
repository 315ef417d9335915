/** The expressions of a query, by recursive descent; what binds closest is read last. */
import { FUNCTIONS } from './call.ts'
import type { AggregateName, CastType, Expression, Operator, PathStep } from './query.ts'
import { SelectError, type SelectErrorCode } from './select-error.ts'
import { type Token, tokensOf } from './token.ts'

/** Expressions within each other. */
const DEPTH_MAX = 100
/** Words that no name is without quotes. */
const RESERVED: ReadonlySet<string> = new Set(
  'SELECT FROM WHERE LIMIT AS AND OR NOT IN IS LIKE ESCAPE BETWEEN CASE WHEN THEN ELSE END NULL MISSING TRUE FALSE CAST'.split(
    ' ',
  ),
)
/** What stands behind a query's tables elsewhere, and is refused by its name here. */
const UNSUPPORTED: ReadonlySet<string> = new Set(
  'GROUP ORDER HAVING JOIN UNION INTERSECT EXCEPT OFFSET INNER LEFT RIGHT FULL CROSS'.split(' '),
)
const AGGREGATES: ReadonlySet<string> = new Set(['COUNT', 'SUM', 'AVG', 'MIN', 'MAX'])
const COMPARISONS: ReadonlySet<string> = new Set(['=', '<>', '!=', '<', '>', '<=', '>='])
const CASTS: Readonly<Record<string, CastType>> = {
  BOOL: 'BOOL',
  BOOLEAN: 'BOOL',
  INT: 'INT',
  INTEGER: 'INT',
  BIGINT: 'INT',
  SMALLINT: 'INT',
  STRING: 'STRING',
  VARCHAR: 'STRING',
  CHAR: 'STRING',
  FLOAT: 'FLOAT',
  DOUBLE: 'FLOAT',
  REAL: 'FLOAT',
  DECIMAL: 'DECIMAL',
  NUMERIC: 'DECIMAL',
  TIMESTAMP: 'TIMESTAMP',
}

type Aggregate = Extract<Expression, { readonly kind: 'aggregate' }>

export class Expressions {
  readonly aggregates: Aggregate[] = []
  position: number = 0
  readonly #tokens: readonly Token[]
  #depth = 0
  /** The table's alias, in upper case. */
  #alias: string | undefined

  constructor(text: string) {
    this.#tokens = tokensOf(text)
  }

  get #token(): Token {
    // Behind the end there is nothing but the end.
    return this.#tokens[this.position] ?? this.#tokens.at(-1)!
  }

  isSign(text: string): boolean {
    return this.#token.kind === 'sign' && this.#token.text === text
  }

  takeSign(text: string): boolean {
    if (!this.isSign(text)) return false
    this.position++
    return true
  }

  takeWord(word: string): boolean {
    if (this.#token.kind !== 'word' || this.#token.word !== word) return false
    this.position++
    return true
  }

  expectWord(word: string): void {
    if (!this.takeWord(word)) throw this.#unexpected('ParseExpectedKeyword', `${word} is expected`)
  }

  expectEnd(): void {
    if (this.isSign('')) return
    const { kind, text } = this.#token as { readonly kind: string; readonly text?: string }
    const isKnown = kind === 'word' && UNSUPPORTED.has((text ?? '').toUpperCase())
    throw this.#unexpected(isKnown ? 'ParseUnsupportedSyntax' : 'ParseUnexpectedToken')
  }

  #expectSign(text: string): void {
    if (!this.takeSign(text)) throw this.#unexpected('ParseUnexpectedToken', `${text} is expected`)
  }

  #unexpected(code: SelectErrorCode, what?: string): SelectError {
    const { at } = this.#token
    return new SelectError(code, `At position ${at + 1}${what === undefined ? '' : `: ${what}`}.`)
  }

  /** `*`, or `alias.*`, and FROM behind it. */
  takeStarList(): boolean {
    const start = this.position
    if (!this.isSign('*') && this.#token.kind === 'word') {
      this.position++
      if (!this.takeSign('.')) {
        this.position = start
        return false
      }
    }
    if (this.takeSign('*') && this.#token.kind === 'word' && this.#token.word === 'FROM')
      return true
    this.position = start
    return false
  }

  wholeNumber(): number {
    const token = this.#token
    if (token.kind !== 'number' || !Number.isSafeInteger(token.value)) {
      throw this.#unexpected('ParseExpectedNumber')
    }
    this.position++
    return token.value
  }

  /** What is selected from: `S3Object`, perhaps with a path and an alias. Gives the path. */
  table(): readonly PathStep[] {
    if (!this.takeWord('S3OBJECT')) {
      throw this.#unexpected('ParseUnsupportedSelect', 'the table is S3Object')
    }
    const path = this.#steps(true)
    const { position } = this
    const token = this.#token
    if (
      this.takeWord('AS') ||
      (token.kind === 'word' && !RESERVED.has(token.word) && !UNSUPPORTED.has(token.word))
    ) {
      const named = this.#token
      if (named.kind !== 'word' || RESERVED.has(named.word)) {
        this.position = position
        throw this.#unexpected('InvalidTableAlias')
      }
      this.position++
      this.#alias = named.word
    }
    if (this.isSign(',')) throw this.#unexpected('ParseUnsupportedSelect', 'there is one table')
    return path
  }

  /** `AS name`, or a name alone. */
  alias(): string | undefined {
    const isSaid = this.takeWord('AS')
    const token = this.#token
    const isName = token.kind === 'quoted' || (token.kind === 'word' && !RESERVED.has(token.word))
    if (!isName) {
      if (isSaid) throw this.#unexpected('ParseExpectedIdentForAlias')
      return undefined
    }
    this.position++
    return token.text
  }

  /** What JSON calls a column that has no alias: the last name of its path. */
  nameOf(value: Expression): string | undefined {
    if (value.kind !== 'path') return undefined
    const last = value.steps.at(-1)
    return last?.kind === 'name' ? last.name : undefined
  }

  expression(): Expression {
    if (++this.#depth > DEPTH_MAX) {
      throw new SelectError('ParseUnsupportedSyntax', 'Expressions stand too deep in each other.')
    }
    let left = this.#and()
    while (this.takeWord('OR')) left = { kind: 'or', left, right: this.#and() }
    this.#depth--
    return left
  }

  #and(): Expression {
    let left = this.#not()
    while (this.takeWord('AND')) left = { kind: 'and', left, right: this.#not() }
    return left
  }

  #not(): Expression {
    let isNot = false
    while (this.takeWord('NOT')) isNot = !isNot
    const of = this.#predicate()
    return isNot ? { kind: 'not', of } : of
  }

  #predicate(): Expression {
    let left = this.#sum()
    for (;;) {
      const token = this.#token
      if (token.kind === 'sign' && COMPARISONS.has(token.text)) {
        this.position++
        const operator = (token.text === '!=' ? '<>' : token.text) as Operator
        left = { kind: 'binary', operator, left, right: this.#sum() }
        continue
      }
      const next = this.#test(left)
      if (next === undefined) return left
      left = next
    }
  }

  /** IS, [NOT] IN, [NOT] BETWEEN, [NOT] LIKE; undefined: none of them stands here. */
  #test(of: Expression): Expression | undefined {
    if (this.takeWord('IS')) {
      const isNot = this.takeWord('NOT')
      const what = this.takeWord('MISSING') ? 'missing' : 'null'
      if (what === 'null') this.expectWord('NULL')
      return negatedIf(isNot, { kind: 'is', of, what })
    }
    const { position } = this
    const isNot = this.takeWord('NOT')
    if (this.takeWord('IN')) {
      this.#expectSign('(')
      const list = [this.expression()]
      while (this.takeSign(',')) list.push(this.expression())
      this.#expectSign(')')
      return negatedIf(isNot, { kind: 'in', of, list })
    }
    if (this.takeWord('BETWEEN')) {
      const low = this.#sum()
      this.expectWord('AND')
      return negatedIf(isNot, { kind: 'between', of, low, high: this.#sum() })
    }
    if (this.takeWord('LIKE')) {
      const pattern = this.#sum()
      const escape = this.takeWord('ESCAPE') ? this.#sum() : undefined
      return negatedIf(isNot, { kind: 'like', of, pattern, escape })
    }
    this.position = position
    return undefined
  }

  #sum(): Expression {
    return this.#chain(['+', '-', '||'], () => this.#chain(['*', '/', '%'], () => this.#unary()))
  }

  #chain(signs: readonly Operator[], operand: () => Expression): Expression {
    let left = operand()
    for (;;) {
      const operator = signs.find((sign) => this.isSign(sign))
      if (operator === undefined) return left
      this.position++
      left = { kind: 'binary', operator, left, right: operand() }
    }
  }

  #unary(): Expression {
    let isNegative = false
    for (;;) {
      if (this.takeSign('-')) isNegative = !isNegative
      else if (!this.takeSign('+')) break
    }
    const of = this.#primary()
    return isNegative ? { kind: 'negate', of } : of
  }

  #primary(): Expression {
    const token = this.#token
    if (token.kind === 'number' || token.kind === 'string') {
      this.position++
      return { kind: 'literal', value: token.kind === 'number' ? token.value : token.text }
    }
    if (this.takeSign('(')) {
      const inner = this.expression()
      this.#expectSign(')')
      return inner
    }
    if (token.kind === 'word') return this.#word(token)
    if (token.kind === 'quoted') return this.#path()
    throw this.#unexpected('ParseExpectedExpression')
  }

  #word(token: Extract<Token, { readonly kind: 'word' }>): Expression {
    const { word } = token
    const literal = LITERALS.get(word)
    if (literal !== undefined) {
      this.position++
      return literal
    }
    if (word === 'CASE') return this.#case()
    if (word === 'SELECT') throw this.#unexpected('ParseUnsupportedSelect')
    const next = this.#tokens[this.position + 1]
    if (next?.kind === 'sign' && next.text === '(') {
      this.position += 2
      return this.#call(word)
    }
    if (RESERVED.has(word)) throw this.#unexpected('ParseExpectedExpression')
    return this.#path()
  }

  #call(name: string): Expression {
    if (name === 'CAST') return this.#cast()
    if (AGGREGATES.has(name)) return this.#aggregate(name as AggregateName)
    if (name === 'TRIM') return this.#trim()
    if (name === 'EXTRACT' || name === 'DATE_ADD' || name === 'DATE_DIFF') return this.#ofDate(name)
    if (name === 'SUBSTRING') return this.#substring()
    const known = FUNCTIONS.get(name)
    if (known === undefined) throw new SelectError('UnsupportedFunction', `${name}.`)
    return this.#called(name, this.#list())
  }

  /** Arguments up to the parenthesis. */
  #list(): Expression[] {
    const args: Expression[] = []
    if (this.takeSign(')')) return args
    do args.push(this.expression())
    while (this.takeSign(','))
    this.#expectSign(')')
    return args
  }

  #called(name: string, args: readonly Expression[]): Expression {
    const { least, most } = FUNCTIONS.get(name)!
    if (args.length < least || args.length > most) {
      throw new SelectError('EvaluatorInvalidArguments', `${name}.`)
    }
    return { kind: 'call', name, args }
  }

  #cast(): Expression {
    const of = this.expression()
    this.expectWord('AS')
    const token = this.#token
    const to = token.kind === 'word' ? CASTS[token.word] : undefined
    if (to === undefined) throw this.#unexpected('ParseExpectedTypeName')
    this.position++
    // Precision and scale: numbers are doubles all the same.
    if (this.takeSign('(')) this.#list()
    this.#expectSign(')')
    return { kind: 'cast', of, to }
  }

  #aggregate(name: AggregateName): Expression {
    let of: Expression | undefined
    const slot = this.aggregates.length
    if (name !== 'COUNT' || !this.takeSign('*')) {
      of = this.expression()
      if (this.aggregates.length > slot) {
        throw new SelectError('UnsupportedSqlStructure', 'An aggregate stands in an aggregate.')
      }
    }
    this.#expectSign(')')
    const aggregate: Aggregate = { kind: 'aggregate', name, of, slot }
    this.aggregates.push(aggregate)
    return aggregate
  }

  /** `TRIM([[LEADING|TRAILING|BOTH] [characters] FROM] text)` */
  #trim(): Expression {
    const side = (['LEADING', 'TRAILING', 'BOTH'] as const).find((word) => this.takeWord(word))
    const what: Expression = { kind: 'literal', value: side ?? 'BOTH' }
    if (this.takeWord('FROM')) return this.#called('TRIM', [what, ...this.#list()])
    const first = this.expression()
    if (this.takeWord('FROM')) {
      const [text, ...more] = this.#list()
      if (text === undefined || more.length > 0) throw this.#unexpected('EvaluatorInvalidArguments')
      return this.#called('TRIM', [what, text, first])
    }
    this.#expectSign(')')
    return this.#called('TRIM', [what, first])
  }

  /** The first argument names a part of a date: `EXTRACT(year FROM t)`, `DATE_ADD(day, 1, t)`. */
  #ofDate(name: string): Expression {
    const token = this.#token
    if (token.kind !== 'word') throw this.#unexpected('EvaluatorInvalidArguments')
    this.position++
    if (name === 'EXTRACT') this.expectWord('FROM')
    else this.#expectSign(',')
    return this.#called(name, [{ kind: 'literal', value: token.word }, ...this.#list()])
  }

  /** `SUBSTRING(text FROM 2 FOR 3)`, or with commas. */
  #substring(): Expression {
    const args = [this.expression()]
    if (!this.takeWord('FROM')) this.#expectSign(',')
    args.push(this.expression())
    if (this.takeWord('FOR') || this.takeSign(',')) args.push(this.expression())
    this.#expectSign(')')
    return this.#called('SUBSTRING', args)
  }

  #case(): Expression {
    this.position++
    const isSimple = !(this.#token.kind === 'word' && this.#token.word === 'WHEN')
    const of = isSimple ? this.expression() : undefined
    const branches: (readonly [Expression, Expression])[] = []
    while (this.takeWord('WHEN')) {
      const when = this.expression()
      this.expectWord('THEN')
      branches.push([when, this.expression()])
    }
    if (branches.length === 0) throw this.#unexpected('ParseExpectedKeyword', 'WHEN is expected')
    const otherwise = this.takeWord('ELSE') ? this.expression() : undefined
    this.expectWord('END')
    return { kind: 'case', of, branches, otherwise }
  }

  #path(): Expression {
    const token = this.#token as Extract<Token, { readonly text: string }>
    this.position++
    const first: PathStep = {
      kind: 'name',
      name: token.text,
      isExact: token.kind === 'quoted',
    }
    const steps = this.#steps(false)
    const name = token.text.toUpperCase()
    const isTable = token.kind === 'word' && (name === this.#alias || name === 'S3OBJECT')
    return { kind: 'path', steps: isTable ? steps : [first, ...steps] }
  }

  /** `.name`, `."Name"`, `[0]`, `['name']`; `[*]` and `.*` where `wild`. */
  #steps(wild: boolean): readonly PathStep[] {
    const steps: PathStep[] = []
    for (;;) {
      if (this.takeSign('.')) {
        const token = this.#token
        this.position++
        if (token.kind === 'word') steps.push({ kind: 'name', name: token.text, isExact: false })
        else if (token.kind === 'quoted') {
          steps.push({ kind: 'name', name: token.text, isExact: true })
        } else if (wild && token.kind === 'sign' && token.text === '*') steps.push({ kind: 'all' })
        else throw this.#unexpected('InvalidKeyPath')
      } else if (this.takeSign('[')) {
        const token = this.#token
        this.position++
        if (token.kind === 'number') steps.push({ kind: 'index', index: token.value })
        else if (token.kind === 'string') {
          steps.push({ kind: 'name', name: token.text, isExact: true })
        } else if (wild && token.kind === 'sign' && token.text === '*') steps.push({ kind: 'all' })
        else throw this.#unexpected('InvalidKeyPath')
        this.#expectSign(']')
      } else return steps
    }
  }
}

const LITERALS: ReadonlyMap<string, Expression> = new Map([
  ['TRUE', { kind: 'literal', value: true }],
  ['FALSE', { kind: 'literal', value: false }],
  ['NULL', { kind: 'literal', value: null }],
  ['MISSING', { kind: 'literal', value: undefined }],
])

function negatedIf(isNot: boolean, of: Expression): Expression {
  return isNot ? { kind: 'not', of } : of
}
