/**
 * Two gateways over one PostgreSQL and one S3: the clients' tests with requests spread over both, and histories.
 * SLUICE_E2E_METADATA=dynamodb takes DynamoDB Local instead.
 */
import { defineConfig, type ViteUserConfig } from 'vitest/config'

// Read by the set-up in this process, and by the tests in those that inherit it.
Object.assign(process.env, {
  SLUICE_E2E_GATEWAYS: '2',
  SLUICE_E2E_METADATA: process.env['SLUICE_E2E_METADATA'] ?? 'postgres',
  SLUICE_E2E_STORAGE: 's3',
  SLUICE_E2E_TRANSPORT: 'http',
})

const config: ViteUserConfig = defineConfig({
  test: {
    root: `${import.meta.dirname}/..`,
    include: ['cluster/*.cluster.ts', 'clients/*.e2e.ts'],
    reporters: ['default', '../tools/closing-line.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    globalSetup: ['./harness/programs.ts', './harness/engines.ts'],
  },
})
export default config
