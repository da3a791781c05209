import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/react.ts',
    'src/vue.ts',
    'src/svelte.ts',
    'src/axios.ts',
    'src/rtk-query.ts',
    'src/passkeys.ts',
    'src/service-worker.ts',
    'src/server.ts',
    'src/verify.ts',
  ],
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'neutral',
  dts: true,
});
