/** Expressions as functions of a record, made once for a query. */
import { FUNCTIONS } from './call.ts'
import { castTo } from './cast.ts'
import { likeTest } from './like.ts'
import type { Expression, Operator, PathStep } from './query.ts'
import { SelectError } from './select-error.ts'
import {
  compare,
  type Fields,
  kindOf,
  numberOf,
  textOf,
  type Truth,
  truthOf,
  type Value,
} from './value.ts'

/** What an expression is evaluated over. */
export interface Scope {
  readonly record: Fields
  /** Results of the query's aggregates, where it has some. */
  readonly aggregates: readonly Value[]
  /** Epoch milliseconds: one moment for the whole query. */
  readonly now: number
}

export type Evaluate = (scope: Scope) => Value

export function compile(expression: Expression): Evaluate {
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression
      return () => value
    }
    case 'path':
      return compilePath(expression.steps)
    case 'binary':
      return compileBinary(expression.operator, compile(expression.left), compile(expression.right))
    case 'and':
    case 'or':
      return junction(
        expression.kind === 'and',
        compile(expression.left),
        compile(expression.right),
      )
    case 'not': {
      const of = compile(expression.of)
      return (scope) => not(truthOf(of(scope)))
    }
    case 'negate': {
      const of = compile(expression.of)
      return (scope) => {
        const number = numberOf(of(scope))
        return number === null ? null : -number
      }
    }
    case 'is': {
      const of = compile(expression.of)
      return expression.what === 'missing'
        ? (scope) => of(scope) === undefined
        : (scope) => (of(scope) ?? null) === null
    }
    case 'in':
      return compileIn(compile(expression.of), expression.list.map(compile))
    case 'between':
      return compileBetween(expression)
    case 'like':
      return compileLike(expression)
    case 'case':
      return compileCase(expression)
    case 'cast': {
      const [of, { to }] = [compile(expression.of), expression]
      return (scope) => castTo(to, of(scope))
    }
    case 'call': {
      const { run } = FUNCTIONS.get(expression.name)!
      const args = expression.args.map(compile)
      return (scope) =>
        run(
          args.map((arg) => arg(scope)),
          scope.now,
        )
    }
    default: {
      const { slot } = expression
      return (scope) => scope.aggregates[slot]
    }
  }
}

function compilePath(steps: readonly PathStep[]): Evaluate {
  const [first, ...rest] = steps
  if (first === undefined) throw new SelectError('ParseUnsupportedSyntax', 'A table is no value.')
  if (first.kind !== 'name') throw new SelectError('InvalidKeyPath')
  const { name, isExact } = first
  if (rest.length === 0) return ({ record }) => record.named(name, isExact)
  return ({ record }) => follow(record.named(name, isExact), rest)
}

/** What stands at the end of a path into a value of JSON; undefined: nothing. */
export function follow(value: Value, steps: readonly PathStep[]): Value {
  for (const step of steps) {
    if (typeof value !== 'object' || value === null) return undefined
    if (step.kind === 'index')
      value = Array.isArray(value) ? (value[step.index] as Value) : undefined
    else if (step.kind === 'name') value = memberOf(value, step.name, step.isExact)
  }
  return value
}

/** The member of that name; of names that differ in case alone the one written so, else the first. */
export function memberOf(value: object, name: string, isExact: boolean): Value {
  if (Array.isArray(value)) return undefined
  if (Object.hasOwn(value, name)) return (value as Record<string, Value>)[name]
  if (isExact) return undefined
  const upper = name.toUpperCase()
  const found = Object.keys(value).find((each) => each.toUpperCase() === upper)
  return found === undefined ? undefined : (value as Record<string, Value>)[found]
}

function compileBinary(operator: Operator, left: Evaluate, right: Evaluate): Evaluate {
  switch (operator) {
    case '=':
    case '<>':
    case '<':
    case '>':
    case '<=':
    case '>=': {
      const holds = COMPARISONS[operator]
      return (scope) => compared(operator, holds, left(scope), right(scope))
    }
    case '||':
      return (scope) => {
        const [a, b] = [textOf(left(scope)), textOf(right(scope))]
        return a === null || b === null ? null : a + b
      }
    default:
      return (scope) => {
        const [a, b] = [numberOf(left(scope)), numberOf(right(scope))]
        return a === null || b === null ? null : arithmetic(operator, a, b)
      }
  }
}

type Comparison = '=' | '<>' | '<' | '>' | '<=' | '>='

const COMPARISONS: Readonly<Record<Comparison, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '>': (order) => order > 0,
  '<=': (order) => order <= 0,
  '>=': (order) => order >= 0,
}

function compared(
  operator: Operator,
  holds: (order: number) => boolean,
  a: Value,
  b: Value,
): Truth {
  const order = compare(a, b)
  if (order === null) return null
  if (order !== undefined) return holds(order)
  // Of different kinds: they are not equal, and neither comes first.
  return operator === '<>'
}

function arithmetic(operator: Operator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
    case '%': {
      if (b === 0) throw new SelectError('UnsupportedSqlOperation', 'A division by zero.')
      return operator === '/' ? quotient(a, b) : a % b
    }
    default:
      throw new SelectError('UnsupportedSqlOperation', `${operator}.`)
  }
}

/** Of whole numbers the whole part, as SQL has it. */
function quotient(a: number, b: number): number {
  return Number.isInteger(a) && Number.isInteger(b) ? Math.trunc(a / b) : a / b
}

/** AND and OR of three values: what is unknown stays so unless the other side decides. */
function junction(isAnd: boolean, left: Evaluate, right: Evaluate): Evaluate {
  return (scope) => {
    const a = truthOf(left(scope))
    if (a === !isAnd) return a
    const b = truthOf(right(scope))
    if (b === !isAnd) return b
    return a === null || b === null ? null : isAnd
  }
}

function not(truth: Truth): Truth {
  return truth === null ? null : !truth
}

function compileIn(of: Evaluate, list: readonly Evaluate[]): Evaluate {
  return (scope) => {
    const value = of(scope)
    let truth: Truth = false
    for (const each of list) {
      const order = compare(value, each(scope))
      if (order === 0) return true
      if (order === null) truth = null
    }
    return truth
  }
}

function compileBetween(expression: Extract<Expression, { readonly kind: 'between' }>): Evaluate {
  const of = compile(expression.of)
  const [low, high] = [compile(expression.low), compile(expression.high)]
  return (scope) => {
    const value = of(scope)
    const above = compared('>=', COMPARISONS['>='], value, low(scope))
    if (above === false) return false
    const below = compared('<=', COMPARISONS['<='], value, high(scope))
    return below === false ? false : above === null || below === null ? null : true
  }
}

function compileLike(expression: Extract<Expression, { readonly kind: 'like' }>): Evaluate {
  const [of, pattern] = [compile(expression.of), compile(expression.pattern)]
  const escape = expression.escape && compile(expression.escape)
  let known: readonly [pattern: string, escape: string, test: (text: string) => boolean] | undefined
  return (scope) => {
    const [text, like] = [of(scope), pattern(scope)]
    const mark = escape === undefined ? '' : escape(scope)
    if (text === null || text === undefined || like === null || like === undefined) return null
    if (typeof text !== 'string' || typeof like !== 'string' || typeof mark !== 'string') {
      throw new SelectError('LikeInvalidInputs', `${kindOf(text)} is no text.`)
    }
    if (known?.[0] !== like || known[1] !== mark) known = [like, mark, likeTest(like, mark)]
    return known[2](text)
  }
}

function compileCase(expression: Extract<Expression, { readonly kind: 'case' }>): Evaluate {
  const of = expression.of && compile(expression.of)
  const branches = expression.branches.map(
    ([when, then]) => [compile(when), compile(then)] as const,
  )
  const otherwise = expression.otherwise && compile(expression.otherwise)
  return (scope) => {
    const subject = of?.(scope)
    for (const [when, then] of branches) {
      const tested = when(scope)
      const holds = of === undefined ? truthOf(tested) === true : compare(subject, tested) === 0
      if (holds) return then(scope)
    }
    return otherwise === undefined ? null : otherwise(scope)
  }
}
