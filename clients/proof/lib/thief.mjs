// Somebody outside the browser who copied its refresh token, or all that it stores: noticed, and the person is told.

import { setTimeout as wait } from 'node:timers/promises';
import { Gate } from './gate.mjs';
import { present } from './judge.mjs';
import { PROFILES } from './profiles.mjs';
import { Round } from './round.mjs';
import { Servers, storyOf } from './rounds.mjs';
import { tokensIn } from './token.mjs';

const INTERVAL_S = 2;
const PAST_MS = INTERVAL_S * 1_000 + 600;
const TOLD_MS = 40_000;

/** How many refreshes a thief may gain before being found (what is measured of the verdict table). */
const MOST_GAINED = 4;

/** What is told of a session that ended because of a thief: the cause, or the sentence of profiles with no field for one. */
const REUSE = /^reuse |an old token of this session was used again/;

const STRANGER = { 'user-agent': 'a thief' };

/** Every story in every mode of these profiles. */
export function thefts(driver, profiles = Object.keys(PROFILES)) {
  return profiles.flatMap((profile) => {
    const modes = PROFILES[profile].modes.filter((mode) => mode === 'body' || driver.can.includes('cookies'));
    return modes.flatMap((mode) => Object.keys(STORIES).map((story) => ({ profile, mode, story })));
  });
}

/** Plays them all, several at once. */
export async function playThefts({ driver, profiles, atOnce, tell }) {
  // The person's client refreshes when it is told to, and not between by itself.
  const servers = new Servers({ 'access-ttl': '1h' });
  const browser = await driver.start();
  const left = thefts(browser, profiles).map((theft, at) => ({ theft, seed: at + 1 }));
  const told = [];
  const takeTurns = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const { seed, theft } = next;
      const result = await playTheft(theft, { driver: browser, servers, host: `127.254.0.${seed}`, seed });
      const { profile, mode, story, wrong, gained, millis } = result;
      told.push({ browser: browser.name, profile, mode, story, wrong, gained, millis });
      tell(`${story} (${profile}, ${mode}; gained ${gained}, ${millis} ms): ${wrong.join('; ') || 'well'}`);
      if (wrong.length > 0) tell(storyOf(result));
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, takeTurns));
  } finally {
    await browser.close();
    await servers.stop();
  }
  return told;
}

/** Plays one; nothing is wrong with it, or what is. */
export async function playTheft({ profile, mode, story }, { driver, servers, host, seed }) {
  const plan = { seed, profile, facts: PROFILES[profile], mode, tabs: 1, interval: INTERVAL_S, storage: 'kept' };
  Object.assign(plan, { start: 'login', keeper: 'page', channel: 'there', clock: 0, events: [], isPrivate: true });
  const server = await servers.ready(plan);
  const gate = await new Gate({ ...plan, host, server, intervalMs: INTERVAL_S * 1_000, isCalm: true }).open();
  const round = new Round({ plan, client: 'sprag', server, gate });
  const theft = new Theft(round);
  const began = Date.now();
  const told = { profile, mode, story };
  try {
    round.visitor = await driver.visitor(plan);
    await round.play();
    await STORIES[story](theft);
    return { ...told, wrong: await theft.judge(), gained: theft.gained, millis: Date.now() - began, round };
  } catch (error) {
    return { ...told, wrong: [error.stack], gained: theft.gained, millis: Date.now() - began, round };
  } finally {
    await round.visitor?.close();
    await gate.close();
    if (round.account) server.giveBack(round);
  }
}

class Theft {
  gained = 0;
  expects = 'reuse';

  constructor(round) {
    this.round = round;
  }

  get tab() {
    return this.round.tabs[0];
  }

  /** All that this browser keeps: in the storage, and in the cookie jar where the token is there. */
  async copy() {
    const { plan, visitor, gate } = this.round;
    const look = "window.stored ? window.stored() : localStorage.getItem('sprag') ?? ''";
    this.copied = await this.tab.evaluate(look);
    if (plan.mode === 'cookie') this.token = await visitor.cookie(plan.facts.cookie, `${gate.url}${plan.facts.refresh}`);
    else this.token = tokensIn(this.copied)[0]?.token;
    if (!this.token) throw new Error('there is no token to copy');
    this.session = tokensIn(this.token)[0].session;
  }

  /** The thief refreshes with what was copied, or with what came of it. */
  async refresh(more = STRANGER) {
    const answer = await present(this.round, this.token, more);
    const cookies = answer.rawHeaders.filter((text) => text.includes('='));
    const got = tokensIn(`${cookies.join('\n')}\n${answer.body}`)[0];
    if (answer.status === 200) this.gained += 1;
    if (got) this.token = got.token;
    return answer.status;
  }

  /** The person goes on: a call, whose access token has expired. */
  async goOn() {
    return this.tab.evaluate('rig.refresh().then(() => rig.call()).catch(String)', 30_000).catch(String);
  }

  /** Thief and person take turns until the session has ended. */
  async untilEnded(more) {
    if (this.#told()) return;
    for (let turns = 0; turns < 2 * MOST_GAINED; turns += 1) {
      await wait(PAST_MS);
      if ((await this.refresh(more)) !== 200) return;
      await wait(PAST_MS);
      await this.goOn();
      if (this.#told()) return;
    }
  }

  #told() {
    return this.round.gate.reports.find(({ what }) => what === 'signed out');
  }

  async judge() {
    const entries = await this.round.server.journal(this.session);
    const notices = entries.map(({ kind, cause }) => (cause ? `${kind}: ${cause}` : kind)).join(', ');
    const isEnded = entries.some(({ cause }) => cause === 'reuse');
    // Who falls out of step is found as any other.
    if (this.expects === 'lockstep' && !isEnded) {
      const isAlarmed = entries.some(({ kind, severity }) => kind === 'lockstep' && severity === 'critical');
      return isAlarmed ? [] : [`a thief in step was not told of; the journal has ${notices}`];
    }
    const wrong = [];
    if (!isEnded) wrong.push(`not noticed; the journal has ${notices}`);
    if (this.gained > MOST_GAINED) wrong.push(`the thief gained ${this.gained} refreshes`);
    for (let waited = 0; waited < TOLD_MS && !this.#told(); waited += 1_000) {
      await this.goOn();
      await wait(1_000);
    }
    const told = this.#told();
    if (!told) wrong.push('the person was not told');
    else if (!REUSE.test(`${told.cause} ${told.detail}`)) wrong.push(`the person was told ${JSON.stringify(told)}`);
    return wrong;
  }
}

const STORIES = {
  /** The thief refreshes first, and the person comes with a token that was spent long ago. */
  async 'a copied token, the thief first'(theft) {
    await theft.copy();
    await wait(PAST_MS);
    await theft.refresh();
    await wait(PAST_MS);
    await theft.goOn();
    await theft.untilEnded(STRANGER);
  },

  /** The person refreshes first, and the thief comes with a spent token. */
  async 'a copied token, the person first'(theft) {
    await theft.copy();
    await wait(PAST_MS);
    await theft.goOn();
    await wait(PAST_MS);
    await theft.refresh();
  },

  /** Who copies storage has the instance and the retry id as well. */
  async 'a copied storage'(theft) {
    await theft.copy();
    const { i: instance, r: id } = JSON.parse(theft.copied || '{}');
    const worn = { ...STRANGER, ...(instance && { 'sprag-instance': instance }) };
    await wait(PAST_MS);
    await theft.refresh({ ...worn, ...(id && { 'idempotency-key': id }) });
    await theft.goOn();
    await theft.untilEnded(worn);
  },

  /** A thief who refreshes a moment after the person, each time: not ended, by this profile's word, and told of. */
  async 'a thief in step'(theft) {
    theft.expects = 'lockstep';
    await theft.copy();
    for (let turns = 0; turns < 5; turns += 1) {
      await wait(PAST_MS);
      await theft.goOn();
      await theft.refresh();
    }
  },
};
