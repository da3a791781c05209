import { randomBytes } from 'node:crypto';
import { run } from '../lib/run.mjs';

await run(async ({ sprag, part, port }) => {
  const page = await port(3000);
  const auth = await sprag();
  // In production it is the same in every process, and after a restart.
  const secret = process.env.APP_SECRET ?? randomBytes(32).toString('base64');
  const env = { SPRAG_URL: auth, APP_SECRET: secret, NEXT_TELEMETRY_DISABLED: '1' };
  part('page', 'npx', ['next', 'dev', '--hostname', 'localhost', '--port', page], env);
  return `http://localhost:${page}`;
});
