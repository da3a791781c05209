import { run } from '../lib/run.mjs';

await run(async ({ sprag, part, port }) => {
  const page = await port(3000);
  const auth = await sprag();
  const env = { SPRAG_URL: auth, NEXT_TELEMETRY_DISABLED: '1' };
  part('page', 'npx', ['next', 'dev', '--hostname', 'localhost', '--port', page], env);
  return `http://localhost:${page}`;
});
