import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['clients/*.e2e.ts', 'journeys/*.e2e.ts'],
    reporters: ['default', ['../tools/results.ts', { name: 'e2e' }], '../tools/closing-line.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    globalSetup: ['./harness/programs.ts', './harness/engines.ts'],
  },
})
export default config
