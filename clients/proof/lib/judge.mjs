// What a round came to: whether anybody was signed out who should not be, and whether every store ends with the newest token.

import { askServer } from './gate.mjs';
import { tokensIn } from './token.mjs';

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
  if (client === 'sprag' || round.logOuts.length === 0) wrong.push(...idle(round));
  if (gate.leaked.length > 0) wrong.push(`${gate.leaked.length} refresh tokens were sent to another origin`);
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

/** What a tab may be told after somebody logged out: the cause, or the sentence of profiles that have no field for one. */
const LOGGED_OUT = /^(logout|logout_all|replaced|session_ended|this session has ended.*|token_missing|Not authorized, no token)$/;

/** A log-out is told with its cause, in whichever tab; all else is nobody's wish. */
function falseSignOuts({ gate, logOuts }) {
  const [first = Infinity] = logOuts;
  return gate.reports.filter(({ what, cause, at }) => {
    return at < first || (what === 'signed out' && !LOGGED_OUT.test(cause));
  });
}

/** What the browser keeps is what the server handed out last, and it refreshes. */
async function storeIsNewest(round) {
  const { gate, plan, visitor } = round;
  const wrong = [];
  let kept;
  if (plan.mode === 'cookie') {
    kept = tokensIn((await visitor.cookie(plan.facts.cookie, `${gate.url}${plan.facts.refresh}`)) ?? '');
    if (kept.length === 0) wrong.push('the cookie jar has no refresh token');
  } else {
    const tab = round.live().find((one) => !one.isOut);
    if (plan.storage !== 'kept') return [];
    kept = tokensIn((await tab?.evaluate(STORED)) ?? '');
    if (kept.length === 0) wrong.push('the storage has no refresh token');
  }
  kept.sort((one, other) => other.generation - one.generation);
  for (const { session, generation, token } of kept.slice(0, 1)) {
    const newest = gate.newest.get(session);
    if (newest && newest.generation > generation) {
      wrong.push(`the store has generation ${generation}, and the server handed out ${newest.generation}`);
    }
    const { status, body } = await present(round, token);
    if (status !== 200) wrong.push(`the stored token is refused: ${status} ${body}`);
    round.session = session;
  }
  return wrong;
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
