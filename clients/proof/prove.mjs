// Plays rounds and says what came of them: node prove.mjs --browser chromium --client sprag --rounds 100 --at-once 6

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DRIVERS } from './lib/drivers.mjs';
import { playRounds } from './lib/rounds.mjs';

const { values: asked } = parseArgs({
  options: {
    browser: { type: 'string', default: 'chromium' },
    client: { type: 'string', default: 'sprag' },
    rounds: { type: 'string', default: '12' },
    seed: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '6' },
    story: { type: 'boolean', default: false },
    /** Where the figures are kept, for the report that is made of several runs. */
    out: { type: 'string' },
  },
});

const Driver = DRIVERS[asked.browser];
if (!Driver) throw new Error(`--browser ${asked.browser}: there are ${Object.keys(DRIVERS).join(', ')}`);
const first = Number(asked.seed);
const seeds = Array.from({ length: Number(asked.rounds) }, (_, at) => first + at);
const tally = await playRounds({
  driver: new Driver(),
  client: asked.client,
  seeds,
  atOnce: Number(asked['at-once']),
  tell: (line) => console.log(line),
  isToldWhole: asked.story,
  keep: (figures) => asked.out && writeFileSync(asked.out, JSON.stringify(figures)),
});
if (!asked.out) console.log(JSON.stringify(tally, null, 2));
const isWell = tally.failed.length + tally.notPlayed.length === 0;
process.exit(isWell || asked.client !== 'sprag' ? 0 : 1);
