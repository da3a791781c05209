import { defineConfig } from 'vitest/config';

// Starting a server, or a browser, takes its time on a machine with much to do.
export default defineConfig({
  test: { testTimeout: 120_000, hookTimeout: 120_000, include: ['test/**/*.test.{ts,tsx}'] },
});
