// What happens to the tabs of a round: each function here is one event of a plan.

import { setTimeout as wait } from 'node:timers/promises';

const MOST_TABS = 10;

/** Lets an event happen. */
export async function happen(round, event) {
  await EVENTS[event.what](round, event);
}

/** A tab that is there, by the place that was drawn. */
function chosen(round, place) {
  const live = round.live().filter((tab) => !tab.isOut && !tab.isFrozen);
  return live[Math.floor(place * live.length)];
}

const call = (tab) => tab.evaluate('window.rig?.call().catch(String)', 40_000);

/** Starts a call and does something to its tab in the midst of it. */
async function midway(round, { place, millis }, act) {
  const tab = chosen(round, place);
  if (!tab) return;
  round.start(call(tab));
  await wait(millis / 2);
  await act(tab);
}

/** Keeps one tab at least. */
const mayGo = (round) => round.live().filter((tab) => !tab.isOut).length > 1;

/** Logs out in one tab, and in again: at once in the same tab, or after a while in another one. */
async function leaveAndEnter(round, { place, share, millis }, leave) {
  const tab = chosen(round, place);
  const isSame = share > 0.5;
  const other = isSame ? tab : chosen(round, share * 2);
  if (!tab || !other) return;
  const away = { from: Date.now(), to: Infinity };
  round.away.push(away);
  const left = tab.evaluate(`Promise.resolve(${leave}).catch(String)`, 40_000).catch(() => undefined);
  if (isSame) round.start(left);
  else await left;
  await wait(millis / (isSame ? 4 : 1));
  if (!other.isGone && !other.isOut) await round.logIn(other);
  away.to = Date.now();
}

const EVENTS = {
  /** Several tabs call at one moment. */
  async burst(round, { share }) {
    const live = round.live().filter((tab) => !tab.isOut && !tab.isFrozen);
    const many = Math.max(1, Math.ceil(share * live.length));
    for (const tab of live.slice(0, many)) {
      const times = 1 + Math.floor(share * 3);
      for (let count = 0; count < times; count += 1) round.start(call(tab));
    }
  },

  /** Access tokens expire meanwhile. */
  wait: (round, { share }) => wait(800 + share * 2_200),

  async open(round) {
    if (round.live().length >= MOST_TABS) return;
    const tab = await round.open();
    round.start(round.enter(tab));
  },

  async closeMidway(round, event) {
    if (mayGo(round)) await midway(round, event, (tab) => tab.close());
  },

  async crash(round, event) {
    if (mayGo(round)) await midway(round, event, (tab) => tab.crash());
  },

  async reload(round, event) {
    await midway(round, event, async (tab) => {
      await tab.reload();
      await round.ready(tab);
      round.start(round.enter(tab));
    });
  },

  /** To another page and back, where browsers bring the first one back as it was. */
  async awayAndBack(round, event) {
    await midway(round, event, async (tab) => {
      await tab.evaluate("void (location.href = '/away')").catch(() => undefined);
      await wait(500 + event.share * 2_000);
      await tab.evaluate('void history.back()').catch(() => undefined);
      await wait(300);
      await round.ready(tab);
      if ((await tab.evaluate('window.restored').catch(() => 0)) > 0) round.restored += 1;
      round.start(round.enter(tab));
    });
  },

  /** The browser stops one tab, as it does in the background, and wakes it. */
  async freeze(round, event) {
    await midway(round, event, async (tab) => {
      tab.isFrozen = true;
      await tab.freeze();
      const woken = wait(1_000 + event.share * 4_500).then(() => tab.thaw());
      round.start(woken.finally(() => (tab.isFrozen = false)));
    });
  },

  /** The lid is shut and opened again. */
  async sleep(round, { share }) {
    const live = round.live().filter((tab) => !tab.isOut && !tab.isFrozen);
    for (const tab of live) if (share > 0.5) round.start(call(tab));
    await wait(100);
    await Promise.all(live.map((tab) => tab.freeze()));
    await wait(1_000 + share * 4_500);
    await Promise.all(live.map((tab) => tab.thaw().catch(() => undefined)));
    for (const tab of live) round.start(call(tab));
  },

  async offline(round, { share, millis }) {
    const live = round.live().filter((tab) => !tab.isOut);
    for (const tab of live.slice(0, 2)) round.start(call(tab));
    await wait(millis / 3);
    // What a page's worker sends is not the page's.
    const isOfPage = round.plan.keeper === 'page' && live.every((tab) => tab.offline);
    if (isOfPage) await Promise.all(live.map((tab) => tab.offline(true)));
    else round.gate.goOut();
    for (const tab of live) round.start(call(tab));
    await wait(300 + share * 2_500);
    round.gate.isOut = false;
    await Promise.all(live.map((tab) => tab.offline?.(false).catch(() => undefined)));
    for (const tab of live) await round.ready(tab);
  },

  restart: (round) => round.server.restart(),

  /** The browser ends the service worker in the midst of a call; the next call starts it anew. */
  async workerEnds(round, event) {
    if (round.client === 'sprag') await midway(round, event, (tab) => tab.endWorkers());
  },

  /**
   * Somebody logs out in one tab and in again in another; or in the same one at once, while the log-out may still be under way.
   */
  async outAndIn(round, event) {
    await leaveAndEnter(round, event, 'rig.logOut()');
  },

  /** Somebody logs out on all devices, and in again. */
  async everywhere(round, event) {
    await leaveAndEnter(round, { ...event, share: event.share / 2 }, 'rig.logOutEverywhere?.()');
  },

  /** The password is changed in one tab; the others go on with the session that takes the old one's place. */
  async password(round, { place }) {
    const tab = chosen(round, place);
    if (!tab) return;
    const [before, next] = round.newPassword();
    const asked = `rig.changePassword?.(${JSON.stringify(before)}, ${JSON.stringify(next)}).then(() => true, String)`;
    round.replaced += 1;
    round.changedBy.push(tab.number);
    const outcome = await tab.evaluate(asked, 40_000).catch(String);
    if (outcome === undefined) round.keepPassword(before);
  },

  /** Somebody shows once more who they are; that, too, is another session from then on. */
  async stepUp(round, { place }) {
    const tab = chosen(round, place);
    if (!tab) return;
    round.replaced += 1;
    await tab.evaluate(`rig.stepUp?.(${JSON.stringify(round.passwords[0])}).catch(String)`, 40_000).catch(String);
  },

  /** Somebody logs in once more, without having logged out. */
  async inAgain(round, { place }) {
    const tab = chosen(round, place);
    round.replaced += 1;
    if (tab) await round.logIn(tab);
  },
};
