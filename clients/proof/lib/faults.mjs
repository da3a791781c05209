// What the network does to one call. The k-th call of a kind in a round meets the same fate whenever its seed is played.

import { random } from './random.mjs';

/** How often each fate is met by calls that may meet any: those that refresh. */
const FATES = {
  none: 30,
  lateRequest: 8,
  lateAnswer: 12,
  overtaken: 8,
  twice: 8,
  lostRequest: 5,
  lostAnswer: 10,
  silent: 1.5,
  cut: 5,
  short: 3,
  busy: 6,
  answeredThenGone: 4,
  captive: 5,
};

/** Log-ins and log-outs are asked again by people, not by the client: what they meet is milder. */
const MILD = { none: 70, lateRequest: 8, lateAnswer: 10, overtaken: 4, lostRequest: 4, busy: 4 };

/** The API's calls only have to find out that they are not signed out. */
const CALL = { none: 80, lateAnswer: 8, lostAnswer: 4, busy: 4, captive: 2, cut: 2 };

const KINDS = { refresh: FATES, login: MILD, logout: MILD, call: CALL };

const HTML = '<!doctype html><title>Welcome to our network</title><p>Please accept the terms of use to go on.';

/** What stands in the server's place at times: it is no word of the server's. */
const BUSY = [
  { status: 503, headers: { 'retry-after': '1' }, body: '{"detail":"unavailable"}', type: 'application/json' },
  { status: 503, body: '<html><h1>503 Service Temporarily Unavailable</h1></html>' },
  { status: 502, body: '<html><h1>502 Bad Gateway</h1></html>' },
  { status: 504, body: '<html><h1>504 Gateway Time-out</h1></html>' },
  { status: 500, body: 'oops', type: 'text/plain' },
  { status: 429, headers: { 'retry-after': '1' }, body: '{"detail":"slow down"}', type: 'application/json' },
  { status: 408, body: '' },
];

const CAPTIVE = [
  { status: 200, body: HTML },
  { status: 200, body: '' },
  { status: 302, elsewhere: true, body: '' },
  { status: 307, elsewhere: true, body: '' },
  { status: 511, body: HTML },
  { status: 403, body: HTML },
  { status: 401, body: HTML },
];

/** The fate of a call; its times lie well within the reuse interval, as delays do in life. */
export function fateOf(seed, kind, count, intervalMs) {
  const draw = random(seed, kind, count);
  const fate = draw.weighed(KINDS[kind]);
  const longest = Math.min(intervalMs / 2, 4_000);
  const millis = draw.whole(50, longest);
  switch (fate) {
    case 'lateRequest':
      return { fate, before: millis };
    case 'lateAnswer':
      return { fate, after: millis };
    case 'overtaken':
      return { fate, overtaken: true };
    case 'twice':
      return { fate, twice: draw.pick(['first', 'second', 'together']) };
    case 'busy':
      return { fate, instead: draw.pick(BUSY) };
    case 'answeredThenGone':
      return { fate, instead: draw.pick(BUSY.slice(1, 5)), reaches: true };
    case 'captive':
      return { fate, instead: draw.pick(CAPTIVE) };
    case 'cut':
      return { fate, cutAt: draw.next() };
    case 'short':
      return { fate, shortAt: draw.next() };
    default:
      return { fate };
  }
}
