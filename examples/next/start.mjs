import { run } from '../lib/run.mjs';

await run(async ({ sprag, part, port }) => {
  const page = await port(3000);
  const auth = await sprag();
  part('page', 'npx', ['next', 'dev', '--hostname', 'localhost', '--port', page], { SPRAG_URL: auth });
  return `http://localhost:${page}`;
});
