/**
 * A process that makes random calls on a log for ever, and says which, and which were answered:
 * `log.crash.ts` kills it. Arguments: engine, folder, seed, and the model of the log as JSON.
 */
import { writeSync } from 'node:fs'
import { applied, type LogModel, nextStep, randomOf, take } from '../../src/log/history.ts'
import type { LogEngineName } from '../../src/log/open.ts'
import { openPlace } from './log-place.ts'

const [engine, folder, seed, json] = process.argv.slice(2) as [
  LogEngineName,
  string,
  string,
  string,
]
const random = randomOf(Number(seed))
let model = JSON.parse(json) as LogModel
let number = 0
let saves = 0

/** Not by a stream: what is in its buffer when the process is killed would be lost. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}

const { log, meta } = await openPlace(engine, folder)
say('open')
for (let turn = 0; ; turn++) {
  const calls: Promise<unknown>[] = []
  const width = 1 + Math.floor(random() * 4)
  for (let i = 0; i < width; i++) {
    const step = nextStep(model, random, Number(seed))
    model = applied(model, step)
    const own = ++number
    say(`call ${JSON.stringify(step)}`)
    calls.push(take(log, step).then(() => say(`done ${own}`)))
  }
  if (turn % 5 === 0) {
    const own = ++saves
    say(`save ${JSON.stringify({ term: Number(seed), vote: `${own}` })}`)
    const save = meta.saveHardState({ term: Number(seed), vote: `${own}` })
    calls.push(save.then(() => say(`saved ${own}`)))
  }
  await Promise.all(calls)
}
