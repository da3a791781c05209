// Many rounds with one browser, several at once, and what they come to together.

import { playRound } from './round.mjs';
import { startSprag } from './sprag.mjs';

/** Access tokens of seconds, so that a round refreshes often; log-ins are no matter of these rounds. */
const SETTINGS = { 'access-ttl': '3s', 'limit-login-account': '1000, 100/1s', 'known-devices': 'off' };

/** Rounds after which a browser is started anew. */
const A_BROWSER = 150;

export class Servers {
  #started = new Map();

  constructor(more = {}) {
    this.more = more;
  }

  /** The server of a round, started when the first one wants it. */
  async ready(plan) {
    const key = `${plan.profile} ${plan.interval}`;
    const settings = { ...SETTINGS, ...this.more, 'reuse-interval': `${plan.interval}s` };
    // Ours has it by itself.
    if (plan.profile !== 'sprag') settings.offers = 'password';
    if (!this.#started.has(key)) this.#started.set(key, startSprag({ profile: plan.profile, settings }));
    return this.#started.get(key);
  }

  async stop() {
    await Promise.all([...this.#started.values()].map(async (server) => (await server).stop()));
  }
}

/** `keep` is given the figures after each round, so that a run that is stopped half way has them. */
export async function playRounds({ driver, client, seeds, atOnce, tell, isToldWhole, keep = () => undefined }) {
  const servers = new Servers();
  const left = [...seeds];
  const tally = new Tally(driver, client);
  let browser = await driver.start();
  tally.version = browser.version;
  try {
    while (left.length > 0) {
      const batch = left.splice(0, A_BROWSER);
      const takeTurns = async () => {
        for (let seed = batch.shift(); seed !== undefined; seed = batch.shift()) {
          const result = await playRound(seed, { driver: browser, client, servers, host: hostOf(seed) });
          tally.add(result);
          keep(tally.toJSON());
          tell(line(result));
          const isTold = isToldWhole || (client === 'sprag' && (result.wrong.length > 0 || result.round.isSlow));
          if (isTold) tell(storyOf(result));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, takeTurns));
      if (left.length > 0) {
        await browser.close();
        browser = await driver.start();
      }
    }
  } finally {
    await browser.close().catch(() => undefined);
    await servers.stop();
  }
  return tally.toJSON();
}

/** An address of this machine for each round: cookies know no ports. */
function hostOf(seed) {
  return `127.${1 + ((seed >> 14) % 250)}.${(seed >> 7) % 128}.${1 + (seed % 128)}`;
}

class Tally {
  rounds = 0;
  failed = [];
  /** Rounds that could not be played to their end: for instance because nobody could log in. */
  notPlayed = [];
  signedOutRounds = 0;
  signOuts = 0;
  reuse = 0;
  restored = 0;
  calls = 0;
  refreshes = 0;
  tabs = 0;
  fates = {};
  events = {};
  kinds = {};
  millis = 0;

  constructor(driver, client) {
    Object.assign(this, { driver, client });
  }

  add({ seed, plan, wrong, broken, signOuts = 0, reuse = 0, restored = 0, millis, round }) {
    if (broken) return void this.notPlayed.push({ seed, why: broken.split('\n')[0] });
    this.rounds += 1;
    this.millis += millis;
    if (wrong.length > 0) this.failed.push({ seed, wrong });
    if (signOuts > 0) this.signedOutRounds += 1;
    this.signOuts += signOuts;
    this.reuse += reuse;
    this.restored += restored;
    this.tabs += round.opened;
    count(this.kinds, `${plan.profile} ${plan.mode}`);
    for (const { what } of round.plan.events.slice(0, round.happened)) count(this.events, what);
    if (plan.storage !== 'kept') count(this.events, `storage ${plan.storage}`);
    if (plan.start === 'import') count(this.events, 'an imported token');
    if (plan.keeper === 'worker' && this.client === 'sprag') count(this.events, 'in a service worker');
    if (plan.channel === 'none') count(this.events, 'no BroadcastChannel');
    if (plan.clock) count(this.events, 'clock wrong by a day');
    if (plan.isPrivate && this.driver.can.includes('private')) count(this.events, 'private window');
    for (const call of round.gate.calls) {
      this.calls += 1;
      if (call.kind !== 'refresh') continue;
      this.refreshes += 1;
      count(this.fates, call.fate);
    }
    return undefined;
  }

  toJSON() {
    const { driver, ...rest } = this;
    return { browser: driver.name, ...rest };
  }
}

const count = (counts, key) => (counts[key] = (counts[key] ?? 0) + 1);

function line({ seed, plan, wrong, broken, signOuts, millis, round }) {
  const { profile, mode, start, keeper, tabs, interval, storage, channel, clock } = plan;
  const words = `${profile} ${mode} ${start} ${keeper} tabs ${tabs} W ${interval} storage ${storage} channel ${channel} clock ${clock}`;
  const outcome = broken ? `BROKEN ${broken}` : wrong.length > 0 ? `WRONG ${wrong.join('; ')}` : 'well';
  const refreshes = round.gate.counts.refresh;
  return `round ${seed} (${words}; ${refreshes} refreshes, ${signOuts ?? 0} sign-outs, ${millis} ms): ${outcome}`;
}

/** All that happened, in order, for whoever looks for the reason. */
export function storyOf({ round }) {
  const began = round.gate.calls[0]?.at ?? 0;
  const calls = round.gate.calls.filter(({ kind }) => kind !== 'call').map((call) => ({ ...call, told: tellCall(call) }));
  const told = round.gate.reports.map((report) => ({ ...report, told: `!! ${JSON.stringify(report)}` }));
  const happened = round.story.map((one) => ({ ...one, told: `-- ${one.what}` }));
  const all = [...calls, ...told, ...happened].sort((one, other) => one.at - other.at);
  return all.map(({ at, told: words }) => `  ${String(at - began).padStart(7)} ${words}`).join('\n');
}

function tellCall({ kind, count: number, fate, sent, got, reached, status, said, retryId, took }) {
  const token = ([one]) => (one ? `${one.session.slice(-6)}@${one.generation}` : '-');
  const id = retryId ? ` id ${retryId.slice(0, 6)}` : '';
  const why = said ? ` ${said}` : '';
  const answer = `server ${reached ?? '-'} → ${status ?? 'nothing'} ${token(got ?? [])}`;
  return `${kind} ${number} ${token(sent)}${id} ${fate}: ${answer} (${took ?? '…'} ms)${why}`;
}
