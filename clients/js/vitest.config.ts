import { defineConfig } from 'vitest/config';

const source = new URL('src/', import.meta.url).pathname;

/** Components of Svelte, as a page's bundler compiles them. */
const svelte = {
  name: 'svelte',
  async transform(code: string, filename: string) {
    if (!filename.endsWith('.svelte')) return undefined;
    const { compile } = await import('svelte/compiler');
    return compile(code, { filename, generate: 'client' }).js;
  },
};

export default defineConfig({
  plugins: [svelte],
  // The code of the guides names the package, as its readers do.
  resolve: {
    alias: [
      { find: /^sprag-client$/, replacement: `${source}index.ts` },
      { find: /^sprag-client\/(.*)$/, replacement: `${source}$1.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    unstubGlobals: true,
    // Starting a server, or a browser, takes its time on a machine with much to do.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
