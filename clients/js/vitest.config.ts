import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    unstubGlobals: true,
    testTimeout: 30_000,
  },
});
