// What the examples need, fetched and built once.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const EXAMPLES = fileURLToPath(new URL('..', import.meta.url));
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The packages, once; and the client, built from its source where it was not. */
export function install() {
  const client = join(ROOT, 'clients/js');
  const built = changed(join(client, 'dist/index.js'));
  const source = readdirSync(join(client, 'src'), { recursive: true }).map((name) => join(client, 'src', name));
  if (source.some((path) => changed(path) > built)) {
    if (!existsSync(join(client, 'node_modules'))) command('npm', ['ci'], client);
    command('npm', ['run', 'build'], client);
  }
  const done = join(EXAMPLES, 'node_modules/.package-lock.json');
  const lock = join(EXAMPLES, 'package-lock.json');
  if (changed(done) < changed(lock)) command('npm', ['ci'], EXAMPLES);
  // npm copies a folder once; whoever changes the client sees it here at the next start.
  cpSync(join(client, 'dist'), join(EXAMPLES, 'node_modules/sprag-client/dist'), { recursive: true });
}

/** When a file changed; long ago where there is none. */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

export function command(program, args, cwd) {
  console.log(`… ${program} ${args.join(' ')}`);
  const { status, error } = spawnSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed in ${cwd}; ${error ?? 'it said why above'}`);
}

// As a program of its own, for the tests.
if (process.argv[1] === fileURLToPath(import.meta.url)) install();
