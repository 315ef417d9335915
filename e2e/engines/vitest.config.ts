import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['*.engine.ts'],
    reporters: [
      'default',
      ['../../tools/results.ts', { name: 'engines' }],
      '../../tools/closing-line.ts',
    ],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
  },
})
export default config
