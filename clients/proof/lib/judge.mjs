// What a round came to: whether anybody was signed out who should not be, and whether every store ends with the newest token.

import { setTimeout as wait } from 'node:timers/promises';
import { askServer } from './gate.mjs';
import { tokensIn } from './token.mjs';

const LOOKS = 20;
const LOOK_MS = 300;

const STORED = `(() => {
  try {
    return window.stored ? window.stored() : JSON.stringify(Object.entries(localStorage));
  } catch {
    return '';
  }
})()`;

/** `wrong` names what may never be; `signOuts` counts how often somebody was sent to log in without having logged out. */
export async function judge(round) {
  const { gate, client } = round;
  const signOuts = falseSignOuts(round);
  const wrong = signOuts.map(({ what, cause, detail, tab }) => `tab ${tab}: ${what}: ${cause} (${detail})`);
  if (client === 'sprag' || round.away.length === 0) wrong.push(...idle(round));
  if (gate.leaked.length > 0) wrong.push(`sent to another origin: ${gate.leaked.join(', ')}`);
  if (client === 'sprag' || wrong.length === 0) wrong.push(...(await storeIsNewest(round)));
  const { reuse, alarms } = journal(round);
  wrong.push(...reuse, ...alarms);
  return { wrong, signOuts: signOuts.length, reuse: reuse.length, restored: round.restored };
}

/** Tabs in which nothing can be done any more. */
function idle(round) {
  const stuck = round.live().filter((tab) => !tab.isOut && tab.outcome !== 200);
  const out = round.live().filter((tab) => tab.isOut);
  return [
    ...out.map((tab) => `tab ${tab.number} stands at the log-in page`),
    ...stuck.map((tab) => `tab ${tab.number} does not work: ${tab.outcome}; it is ${tab.state}`),
  ];
}

/** What a tab may be told where somebody logged out: the cause, or the sentence of profiles that have no field for one. */
const LOGGED_OUT = /^(logout|logout_all|session_ended|this session has ended.*|token_missing|Not authorized, no token)$/;

/** What tabs that cannot hear of each other are told as well, of a session that another has taken the place of. */
const REPLACED = /^(replaced|password_changed)$/;

/** How every profile says that the password was changed. */
const CHANGED = /password_changed|because the password was changed/;

/** How long it takes a tab at most to hear of what happened in another: it may have been frozen or offline. */
const HEARS_MS = 15_000;

/** A log-out is told with its cause, in whichever tab; all else is nobody's wish. */
function falseSignOuts({ gate, away, replaced, changedBy, plan, client }) {
  // Where nothing can be kept each tab has a session of its own, and who changes the password ends those of all others.
  const isAlone = plan.mode === 'body' && plan.storage !== 'kept';
  const isEndedByAnother = (why, tab) => isAlone && CHANGED.test(why) && changedBy.some((other) => other !== tab);
  // Tabs that share nothing, neither a storage nor a channel nor a cookie, learn of another's log-out from the server.
  const isDeaf = plan.mode === 'body' && plan.storage !== 'kept' && plan.channel === 'none';
  const [{ from: first } = { from: Infinity }] = away;
  const isWished = (at) => away.some(({ from, to }) => at >= from && at <= to + HEARS_MS);
  return gate.reports.filter(({ what, cause, detail, at, tab }) => {
    if (what === 'sent to log in' || client !== 'sprag') return at < first;
    if (isEndedByAnother(`${cause} ${detail}`, tab)) return false;
    if (LOGGED_OUT.test(cause)) return !(isWished(at) || (isDeaf && (at >= first || replaced > 0)));
    return !(REPLACED.test(cause) && isDeaf && replaced > 0);
  });
}

/** What the browser keeps is what the server handed out last, and it refreshes. */
async function storeIsNewest(round) {
  const { gate, plan } = round;
  if (plan.mode === 'body' && plan.storage !== 'kept') return [];
  let kept;
  for (let looks = 0; looks < LOOKS; looks += 1) {
    kept = await atRest(round);
    if (kept && kept.generation === gate.newest.get(kept.session)?.generation) break;
    await wait(LOOK_MS);
  }
  if (!kept) return [`the ${plan.mode === 'cookie' ? 'cookie jar' : 'storage'} has no refresh token`];
  const wrong = [];
  const newest = gate.newest.get(kept.session)?.generation;
  if (newest !== kept.generation) {
    wrong.push(`the store has generation ${kept.generation}, and the server handed out ${newest}`);
  }
  await Promise.all(round.live().map((tab) => tab.evaluate('rig.close?.()').catch(() => undefined)));
  let { status, body } = await present(round, kept.token);
  // A server that has much to do, or that this session has asked too often, says so, and says nothing of the token.
  for (let tries = 0; tries < LOOKS && (status === 429 || status === 503); tries += 1) {
    await wait(1_000);
    ({ status, body } = await present(round, kept.token));
  }
  if (status !== 200) wrong.push(`the stored token is refused: ${status} ${body}`);
  return wrong;
}

/** The newest refresh token that the browser keeps, looked for while no refresh is under way. */
async function atRest({ gate, plan, visitor, tabs }) {
  for (let looks = 0; looks < LOOKS && gate.underWay > 0; looks += 1) await wait(LOOK_MS / 4);
  let text;
  if (plan.mode === 'cookie') text = await visitor.cookie(plan.facts.cookie, `${gate.url}${plan.facts.refresh}`);
  else text = await tabs.find((tab) => !tab.isGone && !tab.isOut)?.evaluate(STORED);
  const kept = tokensIn(text ?? '');
  return kept.sort((one, other) => other.generation - one.generation)[0];
}

/** Shows a token to the server, with no network between. */
export async function present({ plan, server }, token, more = {}) {
  const { refresh, field, cookie } = plan.facts;
  const headers = { 'content-type': 'application/json', ...more };
  const sent = plan.mode === 'cookie' ? '' : JSON.stringify({ [field]: token });
  if (plan.mode === 'cookie') {
    Object.assign(headers, { cookie: `${cookie}=${token}`, 'sec-fetch-site': 'same-origin' });
    delete headers['content-type'];
  }
  await server.restarting;
  return askServer(server.port, { path: refresh, headers }, sent);
}

/** No session may have ended as if a thief had been there, and nothing critical may be said of one. */
function journal({ gate, server }) {
  const reuse = [];
  const alarms = [];
  for (const session of gate.newest.keys()) {
    for (const { kind, cause, severity } of server.told.get(session) ?? []) {
      if (cause === 'reuse') reuse.push(`session ${session} ended as reuse`);
      else if (severity === 'critical') alarms.push(`the journal says of session ${session}: ${kind}`);
    }
  }
  return { reuse, alarms };
}
