// What npm packs, as whoever installs it finds it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const PACKAGE = new URL('../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, PACKAGE), 'utf8');

const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT'];

test('both licences and the README go along, and nothing that is for work on it', () => {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [packed] = JSON.parse(execFileSync('npm', words, { cwd: PACKAGE, encoding: 'utf8' }));
  const files: string[] = packed.files.map(({ path }: { path: string }) => path);
  expect(files.filter((path) => !path.startsWith('dist/')).sort()).toEqual([...LICENCES, 'README.md', 'package.json']);
});

test.each(LICENCES)('%s is the one of the whole', (name) => {
  expect(read(name)).toBe(read(`../../${name}`));
});

test('its version is the one of the server that it is released with', () => {
  const version = /^version = "(.*)"$/m.exec(read('../../Cargo.toml'))?.[1];
  expect(version).toBeDefined();
  expect(JSON.parse(read('package.json')).version).toBe(version);
});

test('the README has no link to a file that stays behind', () => {
  const links = [...read('README.md').matchAll(/\]\(([^)]+)\)/g)].map(([, to]) => to as string);
  expect(links.filter((to) => !to.startsWith('https://'))).toEqual([]);
});

test('resolvers that know no `exports` find the types of every entry', () => {
  const { exports, typesVersions } = JSON.parse(read('package.json'));
  const entries = Object.keys(exports).filter((entry) => /^\.\/[^.]+$/.test(entry));
  const found = entries.map((entry) => [entry.slice(2), [exports[entry].require.types]]);
  expect(typesVersions['*']).toEqual(Object.fromEntries(found));
});
