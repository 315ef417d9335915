/**
 * Makes `src/api/model.gen.ts`, `openapi/s3.openapi.json` and `docs/s3-support.md` out of AWS's model, our
 * patches and our handlers.
 *
 *   node openapi/build.ts           writes them
 *   node openapi/build.ts --check   writes nothing; exits 1 and names what is stale
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { writeShape, type Model, type Shape } from '../src/api/model.ts'
import type { Context } from '../src/s3/context.ts'
import { createS3 } from '../src/s3/service.ts'
import { createTorrentS3 } from '../src/torrent/service.ts'
import { describe } from './describe.ts'
import * as patches from './patches.ts'
import { readSdk, type SdkModel } from './read-sdk.ts'
import { supportPage } from './support-page.ts'

const HEADER = `// Made by openapi/build.ts out of @aws-sdk/client-s3 and openapi/patches.ts; do not edit.
//   npm run generate          makes it anew          npm run generate:check   tells whether it is stale
import type { Model } from './model.ts'

`

function known(name: string, all: object): void {
  if (!(name in all)) throw new Error(`openapi/patches.ts names ${name}, which the model has not`)
}

/** The model with the patches laid over it. */
export function patched({ operations, shapes }: SdkModel): SdkModel {
  const result = { operations: { ...operations }, shapes: { ...shapes } }
  for (const [name, patch] of Object.entries(patches.OPERATIONS)) {
    known(name, operations)
    result.operations[name] = { ...operations[name]!, ...patch }
  }
  for (const [name, members] of Object.entries(patches.MEMBERS)) {
    known(name, shapes)
    const shape = shapes[name]!
    result.shapes[name] = { ...shape, members: { ...shape.members, ...members } }
  }
  checkRules(result.shapes)
  return result
}

/** Choices and bounds must name a header, a parameter or a member that is there. */
function checkRules(shapes: Record<string, Shape>): void {
  const names = new Set<string>()
  for (const [shape, { members }] of Object.entries(shapes)) {
    for (const [name, { wire }] of Object.entries(members)) names.add(wire).add(`${shape}.${name}`)
  }
  for (const rule of [...Object.keys(patches.CHOICES), ...Object.keys(patches.BOUNDS)]) {
    if (!names.has(rule))
      throw new Error(`openapi/patches.ts has a rule for ${rule}, which is nowhere in the model`)
  }
}

/** Handlers are made and never called: what they would be given is not looked at before. */
const NOTHING = { options: {} } as unknown as Context

/** Operations for which there is a handler; all of them must be in the model. */
export function served(operations: object): ReadonlySet<string> {
  const api = createS3(NOTHING)
  const torrents = createTorrentS3(api, { publicUrl: () => '', trackers: () => [] })
  const all = new Set([...Object.keys(api), ...Object.keys(torrents)])
  for (const name of all)
    if (!(name in operations)) throw new Error(`${name} has a handler and is no operation of S3`)
  return all
}

function lines(value: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(value).map(
    ([name, each]) => `    ${JSON.stringify(name)}: ${JSON.stringify(each)},\n`,
  )
  return `{\n${entries.join('')}  }`
}

/** The table as a module: one line an operation, one a shape, so that a change of the model reads as a diff. */
export function modelSource({ operations, shapes }: SdkModel): string {
  const model: Model = {
    operations,
    shapes: Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [name, writeShape(shape)]),
    ),
    choices: patches.CHOICES,
    bounds: patches.BOUNDS,
    rootAliases: patches.ROOT_ALIASES,
    subresources: patches.SUBRESOURCES,
  }
  return `${HEADER}export const MODEL: Model = {
  operations: ${lines({ ...model.operations })},
  shapes: ${lines({ ...model.shapes })},
  choices: ${lines({ ...model.choices })},
  bounds: ${lines({ ...model.bounds })},
  rootAliases: ${lines({ ...model.rootAliases })},
  subresources: ${JSON.stringify(model.subresources)},
}
`
}

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url))
}

function readOld(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Exit status. */
export function main(check: boolean): number {
  const model = patched(readSdk())
  const handled = served(model.operations)
  const made: readonly (readonly [string, string])[] = [
    ['src/api/model.gen.ts', modelSource(model)],
    ['openapi/s3.openapi.json', `${JSON.stringify(describe(model, handled), null, 1)}\n`],
    ['docs/s3-support.md', supportPage(Object.keys(model.operations), handled)],
  ]
  let stale = 0
  for (const [name, text] of made) {
    const file = pathOf(`../${name}`)
    if (readOld(file) === text) continue
    if (check) console.error(`${name} is stale: run npm run generate`)
    else writeFileSync(file, text)
    stale += 1
  }
  return check && stale > 0 ? 1 : 0
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'))
