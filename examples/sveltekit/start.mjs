import { randomBytes } from 'node:crypto';
import { run } from '../lib/run.mjs';

await run(async ({ sprag, part, port }) => {
  const page = await port(5173);
  const auth = await sprag();
  // In production it is the same in every process, and after a restart.
  const secret = process.env.APP_SECRET ?? randomBytes(32).toString('base64');
  part('page', 'npx', ['vite', 'dev', '--port', page, '--strictPort'], { SPRAG_URL: auth, APP_SECRET: secret });
  return `http://localhost:${page}`;
});
