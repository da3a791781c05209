// What a run came to, as a page of the documentation.

import { writeFile } from 'node:fs/promises';

const FATES = {
  none: 'nothing: it passed',
  lateRequest: 'the request came late',
  lateAnswer: 'the answer came late',
  overtaken: 'the answer was overtaken by a later one',
  twice: 'the request reached the server twice',
  lostRequest: 'the request was lost',
  lostAnswer: 'the answer was lost',
  silent: 'no answer, and no end of the connection',
  cut: 'the answer broke off',
  short: 'the answer was cut short, and looked whole',
  busy: '408, 429, 500, 502, 503 or 504 in its place',
  answeredThenGone: 'the server did it, and 50x came back',
  captive: 'a captive portal: 200, 401, 403 or 511 with a page, or a redirect elsewhere',
};

const EVENTS = {
  burst: 'calls in several tabs at one moment',
  wait: 'a while in which access tokens expire',
  open: 'a tab opened',
  closeMidway: 'a tab closed in the midst of a call',
  crash: 'a tab crashed in the midst of a call (in Node: a thread stopped)',
  reload: 'a tab reloaded in the midst of a call',
  awayAndBack: 'to another page and back',
  freeze: 'a tab frozen for seconds, and woken',
  sleep: 'all tabs frozen for seconds, and woken',
  offline: 'offline, and on again',
  restart: 'the server killed, and started again',
  outAndIn: 'a log-out in one tab, and a log-in in another',
  inAgain: 'a log-in in one more tab, without a log-out',
  password: 'a change of the password in one tab',
  stepUp: 'a step-up in one tab',
  everywhere: 'a log-out everywhere, and a log-in',
  'private window': 'rounds in a private window',
  'storage blocked': 'rounds in which `localStorage` throws',
  'storage full': 'rounds in which nothing can be written to it',
  'no BroadcastChannel': 'rounds without `BroadcastChannel`',
  'in a service worker': 'rounds in which a service worker holds the tokens',
  workerEnds: 'a service worker ended in the midst of a call',
  'an imported token': 'rounds that begin with a token of the system before',
  'clock wrong by a day': "rounds in which the machine's clock is a day before or after",
};

const CLIENTS = {
  sprag: '`sprag-client`',
  'axios-auth-refresh': '`axios-auth-refresh` 5.0.2',
  'hand-written': 'an interceptor written by hand',
};

/** Writes the page. `runs` are tallies of rounds, `thefts` what came of each theft. */
export async function writeReport(file, { runs, thefts }) {
  await writeFile(file, `${page({ runs, thefts })}\n`);
}

function page({ runs, thefts }) {
  const ours = runs.filter(({ client }) => client === 'sprag');
  const sum = (list, name) => list.reduce((all, run) => all + run[name], 0);
  const failed = ours.flatMap((run) => run.failed.map((one) => ({ ...one, browser: run.browser })));
  const whole = ['rounds', 'tabs', 'refreshes', 'calls', 'signOuts'].map((name) => number(sum(ours, name)));
  return `# Nobody is signed out by accident

**What.** \`sprag-client\` in real browsers and in Node, against the real server, with a hostile network between them.

**How.** A round has 2 to 10 tabs, one of the six profiles with \`retry = "answer"\`, and cookies or bodies as the profile has them. Its
seed draws what happens to people and what happens to every single call: it is late, overtaken, doubled, lost, cut in half, or
answered by somebody else. After the round nobody may be signed out who did not log out (nor change the password in another tab, where
nothing can be kept and each tab has a session of its own); every tab must work; what the browser keeps
must be the newest token that the server handed out, and must refresh; no session may have ended as if a thief had been there; the
log may say nothing critical; and no token may have been sent to another origin.

\`\`\`sh
just client-proof
\`\`\`

| | rounds | tabs | refreshes | calls in all | false sign-outs | rounds with anything wrong |
| --- | --- | --- | --- | --- | --- | --- |
${ours.map(row).join('\n')}
| **together** | **${whole[0]}** | ${whole[1]} | ${whole[2]} | ${whole[3]} | **${whole[4]}** | **${number(failed.length)}** |
${failed.length > 0 ? `\n${failed.map(failure).join('\n')}\n` : ''}${unplayed(ours)}
## Beside others

Rounds of the same seeds, with the same server, in the browsers: \`axios-auth-refresh\` as its documentation sets it up, and the
interceptor that front ends have who write it themselves. Both keep their tokens in \`localStorage\` and lead to the log-in page where
a refresh fails. They play every kind of round: imported tokens, changes of the password and step-ups too. In rounds in which
somebody logs out, only what happened before that is counted; where storage is blocked, they are given it back, for without it they
cannot log in at all; and where ours has its tokens in a service worker, they have theirs in the page.

| | in | rounds | in which somebody was signed out | times that a tab was sent to log in | sessions ended as if there were a thief |
| --- | --- | --- | --- | --- | --- |
${beside(runs).join('\n')}

## Thieves

Somebody outside the browser copies the refresh token, or all that the client stores, and refreshes with it; the reuse interval is 2 s.
Noticed means that the session ends with the cause \`reuse\`, and that the person is told so through \`onSignedOut\`. A thief who stays
in step is told of in the journal as \`lockstep\`, critical, and the person goes on. *Gained* is how often the thief got tokens, at
most.

| | played | noticed | gained |
| --- | --- | --- | --- |
${thieves(thefts).join('\n')}

## What happened

| to calls that refresh | times |
| --- | --- |
${counted(ours, 'fates', FATES).join('\n')}

| to people | times |
| --- | --- |
${counted(ours, 'events', EVENTS).join('\n')}
| came back as it was from the browser's cache of pages | ${number(sum(ours, 'restored'))} |

| profile and mode | rounds |
| --- | --- |
${counted(ours, 'kinds', {}).join('\n')}

Access tokens lived for 3 s, and reuse intervals were 3, 6 and 30 s in turn, so that a round of some twenty seconds meets what days
do otherwise. Delays are at most half the interval and 4 s: a request that the network holds back for longer than the interval while
other tabs go on is, to any server, a token spent long ago.

**Again.** A round is its seed: \`node clients/proof/prove.mjs --browser chromium --seed 17 --rounds 1 --story\` plays round 17 and
tells every call of it. What the network does to a round's tenth refresh is drawn from the seed alone; which tab makes it is up to
the browser.

**Limits.** The browsers run without a window, on one machine. Firefox is driven by WebDriver BiDi, which it speaks itself and which
can neither freeze nor crash a tab: those events are Chromium's and Node's. In Node each tab is a thread, all of them have one folder as
their storage, and tokens travel in bodies. Sleep is a frozen tab: the machine itself stays awake. A wrong clock is the page's, or the
service worker's. A worker is ended by Chromium alone, all that run at once; it has the browser's database, which no round blocks.
`.trimEnd();
}

function row({ version, rounds, tabs, refreshes, calls, signOuts, failed }) {
  return `| ${[version, rounds, tabs, refreshes, calls, signOuts, failed.length].map(number).join(' | ')} |`;
}

function failure({ seed, browser, wrong }) {
  return `- ${browser}, seed ${seed}: ${wrong.join('; ')}`;
}

/** Says of rounds that nobody could play that they are not among those counted. */
function unplayed(runs) {
  const reasons = {};
  for (const { why } of runs.flatMap(({ notPlayed = [] }) => notPlayed)) {
    const reason = why.replace(/^Error: tab \d+ /, 'a tab ').replace(/^Error: /, '');
    reasons[reason] = (reasons[reason] ?? 0) + 1;
  }
  const lines = Object.entries(reasons).map(([reason, times]) => `- ${times}: ${reason}`);
  return lines.length > 0 ? `\nNot among them are rounds that could not be played to their end:\n\n${lines.join('\n')}\n` : '';
}

function beside(runs) {
  return Object.entries(CLIENTS).flatMap(([client, name]) => {
    const some = runs.filter((run) => run.client === client && run.browser !== 'node');
    return some.map(({ version, rounds, signedOutRounds, signOuts, reuse }) => {
      const share = rounds > 0 ? ` (${Math.round((100 * signedOutRounds) / rounds)} %)` : '';
      const cells = [name, version, number(rounds), `${number(signedOutRounds)}${share}`, number(signOuts), number(reuse)];
      return `| ${cells.join(' | ')} |`;
    });
  });
}

function thieves(thefts) {
  const stories = [...new Set(thefts.map(({ story }) => story))];
  return stories.map((story) => {
    const some = thefts.filter((theft) => theft.story === story);
    const well = some.filter(({ wrong }) => wrong.length === 0).length;
    return `| ${story} | ${some.length} | ${well} | ${Math.max(...some.map(({ gained }) => gained))} |`;
  });
}

function counted(runs, what, names) {
  const counts = {};
  for (const run of runs) for (const [key, times] of Object.entries(run[what])) counts[key] = (counts[key] ?? 0) + times;
  const keys = Object.keys(names).filter((key) => key in counts);
  const others = Object.keys(counts).filter((key) => !(key in names)).sort();
  return [...keys, ...others].map((key) => `| ${names[key] ?? key} | ${number(counts[key])} |`);
}

/** A number for people; a dash where a run has none, which was stopped before it was counted. */
const number = (value) => {
  if (typeof value !== 'number') return value ?? '–';
  return Number.isNaN(value) ? '–' : value.toLocaleString('en');
};
