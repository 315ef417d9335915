/** Goals that are ratios or bounds, measured in one run; how they are shown and kept. */

export interface Goal {
  readonly name: string
  /** A ratio, or MiB. */
  readonly measured: number
  readonly unit: 'x' | 'MiB'
  readonly atLeast?: number
  readonly atMost?: number
  /** The figures that it is made of. */
  readonly of: string
}

export function isReached({ measured, atLeast = -Infinity, atMost = Infinity }: Goal): boolean {
  return measured >= atLeast && measured <= atMost
}

/** A Markdown table, which reads well on a terminal too. */
export function goalTable(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => {
    const { name, measured, unit, atLeast, atMost, of } = goal
    const wanted = atLeast === undefined ? `<= ${show(atMost!, unit)}` : `>= ${show(atLeast, unit)}`
    return [name, wanted, show(measured, unit), isReached(goal) ? 'yes' : 'no', of]
  })
  const all = [['what', 'goal', 'measured', 'reached', 'of'], ...rows]
  const widths = all[0]!.map((_, at) => Math.max(...all.map((row) => row[at]!.length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(all[0]!), rule, ...all.slice(1).map(line)].join('\n')
}

function show(figure: number, unit: Goal['unit']): string {
  return unit === 'x' ? `${figure.toFixed(2)} x` : `${figure.toFixed(0)} MiB`
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN
}

export interface Cost {
  /** CPU of this process, the kernel's share too: microseconds an operation. */
  readonly cpuUs: number
  readonly wallUs: number
}

/** What so many operations cost, one after the other or as `run` makes them. */
export async function costOf(operations: number, run: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage()
  const started = performance.now()
  await run()
  const { user, system } = process.cpuUsage(cpu)
  const wallUs = ((performance.now() - started) * 1000) / operations
  return { cpuUs: (user + system) / operations, wallUs }
}

/** `rounds` times each of them in turn, after one that does not count; the costs of each. */
export async function inTurn(
  rounds: number,
  works: readonly (() => Promise<Cost>)[],
): Promise<readonly (readonly Cost[])[]> {
  const costs = works.map((): Cost[] => [])
  for (let round = 0; round <= rounds; round++)
    for (const [at, work] of works.entries()) {
      const cost = await work()
      if (round > 0) costs[at]!.push(cost)
    }
  return costs
}

/** The median of what the ones cost, over the others of the same round. */
export function ratioOf(
  ones: readonly Cost[],
  others: readonly Cost[],
  key: keyof Cost = 'cpuUs',
): number {
  return median(ones.map((cost, round) => cost[key] / others[round]![key]))
}

export function us(costs: readonly Cost[], key: keyof Cost = 'cpuUs'): string {
  return `${median(costs.map((cost) => cost[key])).toFixed(1)} us`
}
