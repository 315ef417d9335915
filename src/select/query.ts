/** A query as it was understood: what `parse.ts` makes and `compile.ts` carries out. */

export type PathStep =
  /** `isExact`: the name was quoted, so its letters count; else their case does not. */
  | { readonly kind: 'name'; readonly name: string; readonly isExact: boolean }
  | { readonly kind: 'index'; readonly index: number }
  /** `[*]` or `.*`: in FROM alone. */
  | { readonly kind: 'all' }

export type Operator = '=' | '<>' | '<' | '>' | '<=' | '>=' | '+' | '-' | '*' | '/' | '%' | '||'

export type AggregateName = 'COUNT' | 'SUM' | 'AVG' | 'MIN' | 'MAX'

export type Expression =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null | undefined }
  /** Of the record; the table's alias is not part of it. */
  | { readonly kind: 'path'; readonly steps: readonly PathStep[] }
  | {
      readonly kind: 'binary'
      readonly operator: Operator
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not' | 'negate'; readonly of: Expression }
  | { readonly kind: 'is'; readonly of: Expression; readonly what: 'null' | 'missing' }
  | { readonly kind: 'in'; readonly of: Expression; readonly list: readonly Expression[] }
  | {
      readonly kind: 'between'
      readonly of: Expression
      readonly low: Expression
      readonly high: Expression
    }
  | {
      readonly kind: 'like'
      readonly of: Expression
      readonly pattern: Expression
      readonly escape: Expression | undefined
    }
  | {
      readonly kind: 'case'
      readonly of: Expression | undefined
      readonly branches: readonly (readonly [when: Expression, then: Expression])[]
      readonly otherwise: Expression | undefined
    }
  | { readonly kind: 'cast'; readonly of: Expression; readonly to: CastType }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] }
  /** `of` undefined: `COUNT(*)`. `slot`: its place among the query's aggregates. */
  | {
      readonly kind: 'aggregate'
      readonly name: AggregateName
      readonly of: Expression | undefined
      readonly slot: number
    }

export type CastType = 'BOOL' | 'INT' | 'STRING' | 'FLOAT' | 'DECIMAL' | 'TIMESTAMP'

/** One of what is selected, and what it is called in JSON. */
export interface Column {
  readonly name: string
  readonly value: Expression
}

export interface Query {
  /** Undefined: `*`, the record as it is. */
  readonly columns: readonly Column[] | undefined
  /** Where in each document the records are; empty: it is one itself. */
  readonly from: readonly PathStep[]
  readonly where: Expression | undefined
  /** Records at most. */
  readonly limit: number | undefined
  /** Present: one result for all records. */
  readonly aggregates: readonly Extract<Expression, { readonly kind: 'aggregate' }>[]
}
