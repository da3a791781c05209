// What a round is about: drawn from its seed alone, so that the same seed means the same round with another client, too.

import { PROFILES } from './profiles.mjs';
import { random } from './random.mjs';

const DAY_MS = 86_400_000;
const TABS = { 2: 25, 3: 20, 4: 14, 5: 11, 6: 8, 7: 6, 8: 5, 9: 5, 10: 6 };

/** How often things happen in a round; those that a browser cannot do are drawn anew. */
const EVENTS = {
  burst: 26,
  wait: 10,
  open: 5,
  closeMidway: 7,
  crash: 5,
  reload: 8,
  awayAndBack: 7,
  freeze: 7,
  sleep: 6,
  offline: 8,
  restart: 2,
  outAndIn: 4,
  inAgain: 3,
  password: 4,
  stepUp: 3,
  everywhere: 2,
};

/** Only our own profile has a step-up. */
const OF_PROFILE = { stepUp: ['sprag'], everywhere: ['sprag', 'fastapi-events', 'fastapi-template', 'express-mongo'] };

/** How many rounds begin with a token of the system before, and in how many a service worker holds the tokens. */
const IMPORTED = 0.3;
const IN_WORKER = 0.25;

const NEEDS = { crash: 'crash', freeze: 'freeze', sleep: 'freeze' };

/** The reuse intervals that servers of a run have, in seconds: far shorter than life's, so that a round meets its end. */
export const INTERVALS = [3, 6, 30];

export function planRound(seed, { can, profiles = Object.keys(PROFILES) }) {
  const draw = random(seed, 'plan');
  const profile = profiles[seed % profiles.length];
  const facts = PROFILES[profile];
  const mode = facts.modes.length === 1 || !can.includes('cookies') ? 'body' : draw.happens(0.75) ? 'cookie' : 'body';
  const events = [];
  const count = draw.whole(4, 8);
  while (events.length < count) {
    const what = draw.weighed(EVENTS);
    if (NEEDS[what] && !can.includes(NEEDS[what])) continue;
    if (OF_PROFILE[what] && !OF_PROFILE[what].includes(profile)) continue;
    events.push({ what, place: draw.next(), share: draw.next(), millis: draw.whole(0, 1_000), after: draw.whole(30, 900) });
  }
  const plan = {
    seed,
    profile,
    facts,
    mode,
    tabs: Number(draw.weighed(TABS)),
    interval: INTERVALS[Math.floor(seed / profiles.length) % INTERVALS.length],
    isPrivate: draw.happens(0.5),
    storage: draw.weighed({ kept: 80, blocked: 10, full: 10 }),
    channel: draw.happens(0.8) ? 'there' : 'none',
    clock: draw.happens(0.3) ? draw.pick([-DAY_MS, DAY_MS]) : 0,
    events,
  };
  return { ...plan, ...beginning(plan, can) };
}

/** How a round begins, and who holds the tokens; drawn by itself, so that all else of a seed stays what it was. */
function beginning({ seed, facts, events, storage }, can) {
  const draw = random(seed, 'beginning');
  const start = facts.before && draw.happens(IMPORTED) ? 'import' : 'login';
  const keeper = start === 'login' && can.includes('workers') && draw.happens(IN_WORKER) ? 'worker' : 'page';
  if (keeper === 'worker' && can.includes('endWorkers')) {
    const place = draw.whole(1, events.length);
    events.splice(place, 0, { what: 'workerEnds', place: draw.next(), share: 0, millis: draw.whole(0, 1_000), after: 300 });
  }
  // An old token has to lie somewhere; and what is wrong with a page's storage is none of a worker's.
  return { start, keeper, storage: start === 'import' || keeper === 'worker' ? 'kept' : storage };
}
