// Plays every theft and says what came of it: node thieves.mjs --browser chromium --profiles sprag,express-mongo

import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DRIVERS } from './lib/drivers.mjs';
import { playThefts } from './lib/thief.mjs';

const { values: asked } = parseArgs({
  options: {
    browser: { type: 'string', default: 'chromium' },
    profiles: { type: 'string' },
    'at-once': { type: 'string', default: '6' },
    out: { type: 'string' },
  },
});

const told = await playThefts({
  driver: new DRIVERS[asked.browser](),
  profiles: asked.profiles?.split(','),
  atOnce: Number(asked['at-once']),
  tell: (line) => console.log(line),
});
if (asked.out) await writeFile(asked.out, JSON.stringify(told));
process.exit(told.some(({ wrong }) => wrong.length > 0) ? 1 : 0);
