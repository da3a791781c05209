// The pages of a round and the code on them: the client, and those that it is compared with.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json' };

/** Where a path's first word leads. */
const ROOMS = {
  rig: join(HERE, 'page'),
  modules: join(HERE, 'node_modules'),
  client: join(HERE, '../js/dist'),
};

const kept = new Map();

/** The service worker as one script: Firefox starts none that imports others. The bundler is the client's own. */
async function worker() {
  const { build } = createRequire(join(HERE, '../js/package.json'))('esbuild');
  const made = await build({
    entryPoints: [join(HERE, 'page/worker.mjs')],
    alias: { 'sprag-client': join(ROOMS.client, 'index.js'), 'sprag-client/service-worker': join(ROOMS.client, 'service-worker.js') },
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
  });
  return made.outputFiles[0].text;
}

/** `/tab` and `/away` are pages of an app; a visit of `/login` is told, for somebody was sent there. */
export async function answerPage(pathname, response, gate) {
  const [, room, ...rest] = normalize(pathname).split('/');
  if (room === 'login') gate.reports.push({ at: Date.now(), what: 'sent to log in' });
  const isCode = rest.length > 0 && room in ROOMS;
  const isPage = !isCode && room !== 'worker.js';
  const path = isCode ? join(ROOMS[room], ...rest) : join(ROOMS.rig, isPage ? `${room || 'tab'}.html` : room);
  let text = kept.get(path);
  if (text === undefined) {
    try {
      text = room === 'worker.js' ? await worker() : await readFile(path, 'utf8');
    } catch {
      return void response.writeHead(404).end();
    }
    kept.set(path, text);
  }
  response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'text/plain', 'cache-control': 'no-cache' });
  return void response.end(text);
}
