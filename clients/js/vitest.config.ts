import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    unstubGlobals: true,
    // Starting a server, or a browser, takes its time on a machine with much to do.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
