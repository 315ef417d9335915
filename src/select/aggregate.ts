/** COUNT, SUM, AVG, MIN, MAX over all records that a query lets through. Nulls and what is missing do not count. */
import { compile, type Evaluate, type Scope } from './compile.ts'
import type { Expression } from './query.ts'
import { compare, numberOf, type Value } from './value.ts'

type Aggregate = Extract<Expression, { readonly kind: 'aggregate' }>

export class Aggregates {
  readonly #all: readonly { readonly of: Evaluate | undefined; readonly gathered: Gathered }[]

  constructor(aggregates: readonly Aggregate[]) {
    this.#all = aggregates.map(({ name, of }) => ({
      of: of && compile(of),
      gathered: new Gathered(name),
    }))
  }

  add(scope: Scope): void {
    for (const { of, gathered } of this.#all) gathered.add(of === undefined ? true : of(scope))
  }

  results(): readonly Value[] {
    return this.#all.map(({ gathered }) => gathered.result())
  }
}

class Gathered {
  readonly #name: Aggregate['name']
  #count = 0
  #sum = 0
  #extreme: Value = null

  constructor(name: Aggregate['name']) {
    this.#name = name
  }

  add(value: Value): void {
    if (value === null || value === undefined) return
    this.#count++
    if (this.#name === 'SUM' || this.#name === 'AVG') this.#sum += numberOf(value) ?? 0
    else if (this.#name !== 'COUNT') this.#take(value)
  }

  #take(value: Value): void {
    if (this.#extreme === null) {
      this.#extreme = value
      return
    }
    const order = compare(value, this.#extreme)
    if (order === null || order === undefined) return
    if (this.#name === 'MIN' ? order < 0 : order > 0) this.#extreme = value
  }

  result(): Value {
    if (this.#name === 'COUNT') return this.#count
    if (this.#name === 'MIN' || this.#name === 'MAX') return this.#extreme
    if (this.#count === 0) return null
    return this.#name === 'SUM' ? this.#sum : this.#sum / this.#count
  }
}
