import { run } from '../lib/run.mjs';

await run(async ({ sprag, part, port }) => {
  const [page, api] = [await port(5173), await port(3000)];
  const url = `http://localhost:${page}`;
  const auth = await sprag({ SPRAG_PUBLIC_URL: url });
  part('api', 'node', ['api.mjs'], { PORT: api, ISSUER: url, JWKS_URL: `${auth}/.well-known/jwks.json` });
  part('page', 'npx', ['vite', '--port', page, '--strictPort'], { AUTH: auth, API: `http://127.0.0.1:${api}` });
  return url;
});
