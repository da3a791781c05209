// The whole proof: rounds in Chromium, Firefox and Node, the same rounds with other clients, and thefts; writes what came of them.
// scripts/client-proof prepares what it needs and starts it.

import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DRIVERS } from './lib/drivers.mjs';
import { writeReport } from './lib/report.mjs';
import { playRounds } from './lib/rounds.mjs';
import { playThefts } from './lib/thief.mjs';

/** How a run's rounds are shared out; what is left is Node's. */
const SHARES = { chromium: 0.65, firefox: 0.15, node: 0.2 };
const OTHERS = ['axios-auth-refresh', 'hand-written'];

const { values: asked } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1000' },
    /** How many of each browser's rounds the other clients play; all of them unless said otherwise. */
    others: { type: 'string' },
    seed: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '8' },
    write: { type: 'string' },
    /** Figures of runs that were kept with --out, instead of new runs. */
    from: { type: 'string' },
  },
});

const tell = (line) => console.log(line);
const atOnce = Number(asked['at-once']);
const first = Number(asked.seed);

/** Seeds for each browser, one after the other. */
function shared(rounds) {
  const counts = { chromium: Math.round(rounds * SHARES.chromium), firefox: Math.round(rounds * SHARES.firefox) };
  counts.node = rounds - counts.chromium - counts.firefox;
  let next = first;
  const seeds = (count) => Array.from({ length: count }, () => next++);
  return Object.fromEntries(Object.entries(counts).map(([browser, count]) => [browser, seeds(count)]));
}

async function played() {
  const runs = [];
  const thefts = [];
  const seeds = shared(Number(asked.rounds));
  const play = async (browser, client, some) => {
    tell(`${some.length} rounds in ${browser} with ${client}`);
    runs.push(await playRounds({ driver: new DRIVERS[browser](), client, seeds: some, atOnce, tell }));
  };
  for (const browser of Object.keys(DRIVERS)) {
    await play(browser, 'sprag', seeds[browser]);
    thefts.push(...(await playThefts({ driver: new DRIVERS[browser](), atOnce, tell })));
  }
  for (const browser of ['chromium', 'firefox']) {
    const some = seeds[browser].slice(0, Number(asked.others ?? seeds[browser].length));
    for (const client of OTHERS) await play(browser, client, some);
  }
  return { runs, thefts };
}

async function kept(files) {
  const read = await Promise.all(files.split(',').map(async (file) => JSON.parse(await readFile(file, 'utf8'))));
  return { runs: read.filter((one) => !Array.isArray(one)), thefts: read.filter(Array.isArray).flat() };
}

const { runs, thefts } = asked.from ? await kept(asked.from) : await played();
if (asked.write) await writeReport(asked.write, { runs, thefts });
else await writeFile('client-proof.json', JSON.stringify({ runs, thefts }));
const isWell = runs.every(({ client, failed, notPlayed }) => client !== 'sprag' || failed.length + notPlayed.length === 0);
process.exit(isWell && thefts.every(({ wrong }) => wrong.length === 0) ? 0 : 1);
