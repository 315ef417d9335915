import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['{src,metadata,storage,openapi,e2e}/**/*.test.ts'],
    reporters: ['default', './tools/closing-line.ts'],
    testTimeout: 20_000,
  },
})
export default config
