// The little world of the page: Ann's browser with its tabs, a thief, the network between them and the server, and what the
// server says of it all. The tabs are real clients of a real server; only the network's accidents are made here.

import { createClient, readToken } from './sprag-client.js';
import { pause } from './pause.js';
import { Plain } from './plain.js';

const REFRESH = '/api/v1/auth/refresh';

/** How long an answer is delayed, in milliseconds. */
export const DELAY = 4000;

/** How often a log-in is tried. */
const TRIES = 20;

/** How many of the last tokens and verdicts are shown. */
const KEPT = 40;

/** What a browser keeps for a site, in memory: each visit of this page is another browser. */
class BrowserStorage {
  #kept = new Map();
  getItem = (key) => this.#kept.get(key) ?? null;
  setItem = (key, value) => void this.#kept.set(key, value);
  removeItem = (key) => void this.#kept.delete(key);
}

/** A tab of Ann's browser. */
class Tab {
  isOffline = false;
  /** What happens to its next refresh: `drop`, `delay`, or `cut` (the answer is lost and the network with it). */
  fault = '';
  asking = 0;

  constructor(world, name) {
    Object.assign(this, { world, name });
    this.client = createClient({
      url: location.origin,
      mode: 'body',
      storage: world.storage,
      name: world.key,
      ahead: false,
      fetch: (input, init) => this.#send(input, init),
    });
    this.client.session.addEventListener('change', () => world.changed());
  }

  get state() {
    return this.client.session.state;
  }

  /** Asks for new tokens as the client does whenever it needs to, and has the plain server asked for the same. */
  async refresh() {
    this.asking += 1;
    this.world.changed();
    const plain = this.world.plain.refresh(this, this.fault, DELAY);
    await this.client.refresh().catch(() => {});
    await plain;
    this.asking -= 1;
    await this.world.look();
  }

  async #send(input, init) {
    const isRefresh = String(input).endsWith(REFRESH);
    if (this.isOffline) {
      if (isRefresh) this.world.note({ who: this.name, row: 'offline' });
      throw new TypeError('offline');
    }
    const fault = isRefresh ? this.fault : '';
    if (isRefresh) this.fault = '';
    const response = await fetch(input, init);
    if (isRefresh) await this.world.judged(this.name, JSON.parse(init.body).refresh_token, response.clone(), fault);
    if (fault === 'cut') this.isOffline = true;
    if (fault === 'drop' || fault === 'cut') throw new TypeError('the answer was lost');
    if (fault === 'delay') await pause(DELAY);
    return response;
  }
}

/** Somebody with a copy, on another machine. */
class Thief {
  state = 'empty';
  token;
  #instance = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte % 16).toString(16)).join('');

  constructor(world) {
    this.world = world;
  }

  get generation() {
    return readToken(this.token)?.generation;
  }

  copy() {
    this.token = this.world.stored()?.t;
    if (!this.token) return;
    this.state = 'holds';
    this.world.plain.copy();
    this.world.changed();
  }

  async use() {
    if (!this.token) return;
    this.world.plain.use();
    const headers = { 'content-type': 'application/json', 'sprag-instance': this.#instance };
    const body = JSON.stringify({ refresh_token: this.token });
    const response = await fetch(REFRESH, { method: 'POST', headers, body, credentials: 'omit' });
    await this.world.judged('The thief', this.token, response.clone(), '');
    const answer = await response.json();
    if (response.ok) this.token = answer.refresh_token ?? this.token;
    this.state = response.ok ? 'in' : 'out';
    await this.world.look();
  }
}

export class World extends EventTarget {
  tabs = [];
  verdicts = [];
  tokens = [];
  accesses = [];
  settings = {};
  row;
  events = [];
  hasBackup = false;
  skew = 0;
  #logIns = 0;
  #noted = 0;

  constructor() {
    super();
    this.plain = new Plain(() => this.changed());
    this.thief = new Thief(this);
  }

  /** Reads how the server is set. */
  async begin() {
    await this.look();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  now() {
    return Date.now() + this.skew;
  }

  /** What Ann's browser keeps. */
  stored() {
    return JSON.parse(this.storage?.getItem(this.key) ?? 'null') ?? undefined;
  }

  get session() {
    return this.tabs[0]?.client.session.current;
  }

  get isIn() {
    return this.tabs.some((tab) => tab.state === 'signed-in');
  }

  /** Ann logs in, in a browser that knows nothing of before. */
  async logIn() {
    this.tabs.forEach((tab) => tab.client.close());
    this.#logIns += 1;
    Object.assign(this, { verdicts: [], tokens: [], accesses: [], row: undefined, events: [], id: undefined });
    this.key = `sprag-demo-${this.#logIns}-${Math.random()}`;
    this.storage = new BrowserStorage();
    this.thief = new Thief(this);
    this.tabs = [new Tab(this, 'Tab 1')];
    const answer = await this.#patiently(() => this.tabs[0].client.login(this.settings.user));
    this.plain.logIn();
    this.id = answer.session_id;
    this.#take(answer);
    this.note({ who: 'Ann', row: 'login' });
    await this.look();
  }

  async logOut() {
    await this.tabs[0]?.client.logout().catch(() => {});
    this.plain.logOut();
    this.note({ who: 'Ann', row: 'logout' });
    await this.look();
  }

  /** One more tab of the same browser. */
  async openTab() {
    const tab = new Tab(this, `Tab ${this.tabs.length + 1}`);
    this.tabs.push(tab);
    await tab.client.ready;
    this.changed();
  }

  async refreshAll() {
    await Promise.all(this.tabs.map((tab) => tab.refresh()));
  }

  async backUp() {
    await this.#order('/demo/backup');
    this.plain.backUp();
    this.note({ who: 'The operator', row: 'backup', generation: this.row?.generation });
    await this.look();
  }

  async restore() {
    await this.#order('/demo/restore');
    this.plain.restore();
    await this.look();
    this.note({ who: 'The operator', row: 'restore', generation: this.row?.generation });
  }

  /** Asks the demo how the row stands. */
  async look() {
    const id = this.id;
    const response = await fetch(`/demo/state${id ? `?session=${id}` : ''}`);
    if (!response.ok) return;
    const state = await response.json();
    if (id !== this.id) return;
    this.skew = state.now - Date.now();
    this.settings = { ...state.policy, user: state.user };
    Object.assign(this, { row: state.session ?? undefined, events: state.events, hasBackup: state.has_backup });
    this.changed();
  }

  note(entry) {
    this.#noted += 1;
    this.verdicts = [...this.verdicts, { number: this.#noted, at: this.now(), ...entry }].slice(-KEPT);
    this.changed();
  }

  /** A refresh was answered: by which row of the verdict table, and with what. */
  async judged(who, shown, response, fault) {
    const answer = await response.json().catch(() => ({}));
    const row = response.headers.get('sprag-demo-row') ?? 'none';
    const [before, after] = [readToken(shown)?.generation, readToken(answer.refresh_token)?.generation];
    if (response.ok) this.#take(answer, row === '14' || row === '6' ? before : undefined);
    this.note({ who, row, before, after, status: response.status, cause: answer.cause, fault });
    await this.look();
  }

  #take(answer, spent) {
    const at = this.now();
    const generation = readToken(answer.refresh_token)?.generation;
    for (const token of this.tokens) if (token.spent === undefined && token.generation <= spent) token.spent = at;
    if (generation !== undefined && !this.tokens.some((token) => token.generation === generation)) {
      this.tokens = [...this.tokens, { generation, from: at }].slice(-KEPT);
    }
    const until = at + answer.expires_in * 1000;
    this.accesses = [...this.accesses, { generation, from: at, until }].slice(-KEPT);
  }

  /** A password takes its time, and on a machine that has other work too much of it: then it is asked for again. */
  async #patiently(act) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await act();
      } catch (error) {
        if (tries === TRIES || (error.status && error.status !== 503)) throw error;
        await pause(1000);
      }
    }
  }

  async #order(path) {
    const response = await fetch(path, { method: 'POST' });
    if (!response.ok) throw new Error((await response.json()).detail);
  }
}
