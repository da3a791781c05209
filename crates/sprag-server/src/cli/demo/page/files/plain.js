// What a plain server would have done, played beside the real one: it keeps one row a token, and a refresh deletes the row that
// was shown and adds the next. It has no network, so it only lives in this page.

import { pause } from './pause.js';

/** How long a request of this world is on its way, in milliseconds. */
const ON_THE_WAY = 40;
/** After how long a front end tries once more when no answer came. */
const RETRY = 800;

export class Plain {
  #tokens = new Set();
  #backup = new Set();
  #made = 0;
  #kept;

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.owner = { state: 'nobody', why: '' };
    this.thief = { state: 'empty', why: '' };
  }

  logIn() {
    this.#tokens.clear();
    this.#kept = this.#make();
    this.owner = { state: 'in', why: '' };
    this.thief = { state: 'empty', why: '' };
    this.changed();
  }

  logOut() {
    this.#tokens.clear();
    this.owner = { state: 'nobody', why: '' };
    this.changed();
  }

  /** What one of Ann's tabs does when it refreshes, with what happens on the way. */
  async refresh(tab, fault, delay) {
    const token = this.#kept;
    if (this.owner.state !== 'in' || tab.isOffline) return;
    await pause(ON_THE_WAY);
    const next = this.#answer(token);
    if (!next) return this.#isOut('Her token’s row was gone, and that is all this server knows.');
    if (fault === 'drop') {
      await pause(RETRY);
      return this.refresh(tab);
    }
    if (fault === 'cut') return;
    if (fault === 'delay') await pause(delay);
    this.#kept = next;
    this.changed();
  }

  copy() {
    this.thief = { state: 'holds', token: this.#kept, why: '' };
    this.changed();
  }

  use() {
    const next = this.#answer(this.thief.token);
    this.thief = next
      ? { state: 'in', token: next, why: 'The thief’s token is as good as any, for as long as the thief likes.' }
      : { state: 'out', why: 'This token’s row was gone.' };
    this.changed();
  }

  backUp() {
    this.#backup = new Set(this.#tokens);
  }

  restore() {
    this.#tokens = new Set(this.#backup);
  }

  #make() {
    this.#made += 1;
    this.#tokens.add(this.#made);
    return this.#made;
  }

  #answer(token) {
    return this.#tokens.delete(token) ? this.#make() : undefined;
  }

  #isOut(why) {
    this.owner = { state: 'out', why };
    this.changed();
  }
}
