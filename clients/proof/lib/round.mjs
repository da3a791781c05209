// One round: a browser with some tabs, a hostile network, and what happens to people. Afterwards nobody may be signed out.

import { setTimeout as wait } from 'node:timers/promises';
import { within } from './browser.mjs';
import { Gate } from './gate.mjs';
import { happen } from './happen.mjs';
import { judge } from './judge.mjs';
import { planRound } from './plan.mjs';
import { PASSWORD } from './sprag.mjs';

const READY_MS = 45_000;
const LOOK_MS = 60;
const SETTLE_MS = 45_000;
const LOG_INS = 30;
const LOG_IN_MS = 300;
/** The longest that a busy server is believed before the next try. */
const BUSY_MS = 30_000;
const SLOW_MS = 10_000;

/** Plays the round of this seed with one client in one browser, on one of `servers`; what came of it. */
export async function playRound(seed, { driver, client, servers, host }) {
  const plan = planRound(seed, driver);
  // Whoever cannot do without storage has it: what is compared is the network.
  if (client !== 'sprag') plan.storage = 'kept';
  const server = await servers.ready(plan);
  const gate = await new Gate({ ...plan, host, server, intervalMs: plan.interval * 1000 }).open();
  const round = new Round({ plan, client, server, gate });
  const began = Date.now();
  try {
    round.visitor = await driver.visitor({ ...plan, server });
    await round.play();
    return { seed, plan, client, ...(await judge(round)), millis: Date.now() - began, round };
  } catch (error) {
    return { seed, plan, client, broken: error.stack, wrong: [], millis: Date.now() - began, round };
  } finally {
    await round.visitor?.close();
    await gate.close();
    if (round.account) server.giveBack(round);
  }
}

export class Round {
  tabs = [];
  /** What is under way while the next thing happens. */
  pending = new Set();
  /** What happened, for whoever looks into a round that failed. */
  story = [];
  /** From when to when people were logged out because they wanted to be. */
  away = [];
  /** How often another session took the place of one that lived. */
  replaced = 0;
  /** In which tabs somebody changed the password. */
  changedBy = [];
  opened = 0;
  happened = 0;
  restored = 0;

  constructor(given) {
    Object.assign(this, given);
  }

  async play() {
    const isImport = this.plan.start === 'import';
    Object.assign(this, isImport ? await this.server.importAccount() : await this.server.borrowAccount());
    await this.open();
    if (!isImport) await this.logIn(this.tabs[0]);
    await Promise.all(Array.from({ length: this.plan.tabs - 1 }, () => this.open()));
    await Promise.all(this.tabs.map((tab) => this.enter(tab)));
    for (const event of this.plan.events) {
      if (this.isOver()) return;
      this.tell(event.what);
      this.happened += 1;
      await happen(this, event).catch((error) => {
        // The tab went elsewhere in this very moment: sent to log in, closed, crashed.
        if (!/Not attached to an active page|the tab is gone|no such frame/.test(error.message)) throw error;
      });
      await wait(event.after);
    }
    await this.settle();
  }

  tell(what) {
    this.story.push({ at: Date.now(), what });
  }

  /** A call that takes so long on a network that is well is looked into. */
  slow(what) {
    this.isSlow = true;
    this.tell(what);
  }

  live() {
    return this.tabs.filter((tab) => !tab.isGone);
  }

  /** With clients that send people away a round ends when all are gone. */
  isOver() {
    return this.client !== 'sprag' && this.gate.reports.length > 0 && this.live().every((tab) => tab.isOut);
  }

  /** A new tab with the app in it. */
  async open() {
    const { plan, gate } = this;
    const { before: _, at: __, modes: ___, cookie: ____, ...told } = plan.facts;
    const { mode, storage, channel, clock } = plan;
    const number = String((this.opened += 1));
    // The others have no worker: what is compared is the network.
    const keeper = this.client === 'sprag' ? plan.keeper : 'page';
    const given = { client: this.client, tab: number, mode, storage, channel, clock, keeper, facts: JSON.stringify(told) };
    if (this.oldToken) given.old = this.oldToken;
    const words = new URLSearchParams(given);
    const tab = await this.visitor.open(`${gate.url}/tab?${words}`);
    tab.number = number;
    this.tabs.push(tab);
    await this.ready(tab);
    return tab;
  }

  /** Waits until the app of a tab runs; a tab that came back from an error page is loaded anew. */
  async ready(tab) {
    for (let waited = 0; waited < READY_MS; waited += LOOK_MS) {
      if (tab.isGone) return;
      const at = '[location.pathname, location.protocol, window.isReady === true]';
      const [path, protocol, isReady] = (await tab.evaluate(at).catch(() => undefined)) ?? [];
      if (isReady) return;
      if (path === '/login') return void (tab.isOut = true);
      const isLost = protocol === 'chrome-error:' || path === '/away' || (protocol === 'about:' && waited > 2_000);
      if (isLost && waited % 1_200 === 0) await tab.visit(tab.url).catch(() => undefined);
      await wait(LOOK_MS);
    }
    throw new Error(`tab ${tab.number} is not ready`);
  }

  /** Lets somebody log in who has no session in this tab because nothing can be kept there. */
  async enter(tab) {
    const outcome = await tab.evaluate('rig.call().catch(String)', 30_000).catch(String);
    const remembers = this.plan.storage === 'kept' || this.plan.mode === 'cookie';
    if (outcome === 200 || remembers) return;
    const state = await tab.evaluate('rig.state()').catch(String);
    if (state === 'signed-out') await this.logIn(tab);
  }

  /** Types name and password until the log-in gets through; comes back to a busy server when it said. */
  async logIn(tab) {
    const name = this.plan.facts.name === 'email' ? `${this.account}@example.com` : this.account;
    let why;
    for (let tries = 0; tries < LOG_INS; tries += 1) {
      // Of a change whose answer was lost nobody knows whether it was made.
      const password = this.passwords[tries % this.passwords.length];
      const typed = `rig.logIn(${JSON.stringify(name)}, ${JSON.stringify(password)})`;
      // Ours has what `Retry-After` says in the error; axios has the answer there, with its headers.
      const seconds = "Number(error.retryAfter ?? error.response?.headers?.['retry-after']) || 0";
      const asked = `${typed}.then(() => ['', 0], (error) => [String(error), ${seconds}])`;
      const [refused = 'no answer', after = 0] = (await tab.evaluate(asked, 30_000).catch((error) => [String(error)])) ?? [];
      if (refused === '') return this.keepPassword(password);
      why = refused;
      if (tab.isGone) return;
      if (await this.#isAtLogin(tab)) return;
      await wait(Math.max(LOG_IN_MS, Math.min(after * 1_000, BUSY_MS)));
    }
    throw new Error(`tab ${tab.number} cannot log in: ${why}`);
  }

  /** The password of now and another one, both of which may be right until somebody has logged in. */
  newPassword() {
    const [before] = this.passwords;
    const next = before === PASSWORD ? `${PASSWORD}, the second` : PASSWORD;
    this.passwords = [next, before];
    return [before, next];
  }

  keepPassword(password) {
    this.passwords = [password];
  }

  /** Whether the app sent its user away. */
  async #isAtLogin(tab) {
    tab.isOut ||= (await tab.evaluate('location.pathname').catch(() => '')) === '/login';
    return tab.isOut;
  }

  /** Does something without waiting for it. */
  start(promise) {
    const done = promise.catch(() => undefined).finally(() => this.pending.delete(done));
    this.pending.add(done);
    return done;
  }

  /** The network is well again; every tab has time to find its way. */
  async settle() {
    this.tell('settle');
    this.gate.heal();
    await this.server.restarting;
    await Promise.all(this.live().map((tab) => tab.thaw?.().catch(() => undefined)));
    await Promise.all(this.live().map((tab) => tab.offline?.(false).catch(() => undefined)));
    await within(SETTLE_MS, Promise.all(this.pending)).catch(() => undefined);
    this.tell('nothing is under way');
    if (this.live().length === 0) await this.open();
    await Promise.all(this.live().map((tab) => this.ready(tab)));
    this.tell('ready');
    await Promise.all(this.live().map((tab) => this.#works(tab)));
    await Promise.all(this.live().map((tab) => this.#works(tab)));
  }

  /** Calls the API until it answers; why it does not, else. */
  async #works(tab) {
    const until = Date.now() + SETTLE_MS;
    while (!tab.isGone && !tab.isOut && Date.now() < until) {
      const began = Date.now();
      const outcome = await tab.evaluate('rig.call().catch(String)', 30_000).catch(String);
      tab.outcome = outcome;
      if (Date.now() - began > SLOW_MS) this.slow(`tab ${tab.number}: a call took ${Date.now() - began} ms: ${outcome}`);
      if (outcome === 200) return;
      const state = await tab.evaluate('window.rig ? rig.state() : location.pathname').catch(String);
      tab.state = state;
      if (state === '/login') return void (tab.isOut = true);
      const forgets = this.plan.mode === 'body' && this.plan.storage !== 'kept';
      if (state === 'signed-out' && forgets) await this.logIn(tab).catch(() => undefined);
      else if (state === 'signed-out' && this.client === 'sprag') return;
      await wait(500);
    }
  }
}
