import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['*.swarm.ts'],
    globalSetup: ['./install.ts'],
    reporters: ['default', '../../tools/closing-line.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    maxConcurrency: 4,
  },
})
export default config
