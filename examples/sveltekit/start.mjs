import { run } from '../lib/run.mjs';

await run(async ({ sprag, part, port }) => {
  const page = await port(5173);
  const auth = await sprag();
  part('page', 'npx', ['vite', 'dev', '--port', page, '--strictPort'], { SPRAG_URL: auth });
  return `http://localhost:${page}`;
});
