import { existsSync } from 'node:fs';
import { command, run } from '../lib/run.mjs';

const VENV = process.env.EXAMPLE_VENV ?? '.venv';

await run(async ({ sprag, part, port }) => {
  if (!existsSync(`${VENV}/bin/uvicorn`)) {
    command('python3', ['-m', 'venv', VENV], '.');
    command(`${VENV}/bin/python`, ['-m', 'pip', 'install', '--quiet', '--requirement', 'requirements.txt'], '.');
  }
  const [page, api] = [await port(5173), await port(8000)];
  const url = `http://localhost:${page}`;
  const auth = await sprag({ SPRAG_PUBLIC_URL: url });
  const settings = { ISSUER: url, JWKS_URL: `${auth}/.well-known/jwks.json` };
  part('api', `${VENV}/bin/python`, ['-m', 'uvicorn', 'api:app', '--port', api, '--log-level', 'warning'], settings);
  part('page', 'npx', ['vite', '--port', page, '--strictPort'], { AUTH: auth, API: `http://127.0.0.1:${api}` });
  return url;
});
