import { fileURLToPath } from 'node:url'
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { nameOf, targets } from '../harness/matrix.ts'
import { python } from '../harness/programs.ts'
import { awsEnvironment, run } from '../harness/shell.ts'

const SCRIPT = fileURLToPath(new URL('boto3_cases.py', import.meta.url))
const CASES = spawnSync(python(), [SCRIPT, '--list'], { encoding: 'utf8' })
  .stdout.trim()
  .split('\n')

for (const target of targets()) {
  describe(`boto3: ${nameOf(target)}`, () => {
    let gateway: Gateway
    let results: Record<string, string>
    beforeAll(async () => {
      gateway = await startGateway(target)
      const { stdout, stderr } = await run([python(), SCRIPT, gateway.endpoint], {
        env: awsEnvironment(gateway),
      })
      results = JSON.parse(stdout || JSON.stringify({ start: stderr })) as Record<string, string>
    })
    afterAll(() => gateway[Symbol.asyncDispose]())

    test.each(CASES)('%s', (name) => expect(results[name]).toBe('ok'))
  })
}
