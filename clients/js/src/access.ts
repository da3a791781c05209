import { readClaims, readToken } from './token.js';
import type { Answer, Profile } from './types.js';
import { member, text } from './wire.js';

/** Two clocks: the monotonic one may stand still in sleep, the machine's may be set. */
export type Moment = readonly [monotonic: number, machine: number];

export const now = (): Moment => [performance.now(), Date.now()];

/** What has passed since: the longer of both, for an early refresh harms nobody. No clock is compared with another machine's. */
export const passed = (since: Moment): number => Math.max(performance.now() - since[0], Date.now() - since[1]);

export const between = (least: number, most: number): number => least + Math.random() * (most - least);

/** What an access token is taken to live where nobody says it, in seconds. */
const GUESSED_LIFE = 300;

/** The first of them that is a time which can pass. */
const aTime = (...seconds: readonly unknown[]): number | undefined => seconds.map(Number).find((each) => each > 0);

/** An access token and what is known of its life. */
export interface Access {
  readonly token: string;
  /** The session it is of. */
  readonly of: string;
  /** In milliseconds since it was asked for: how long it is used, and when to ask for the next one. */
  readonly life: number;
  readonly ahead: number;
  readonly since: Moment;
}

/** The access token of an answer; `isFirst` in a session that has not refreshed yet. */
export function accessOf({ answer }: Profile, body: Answer, of: string, isFirst: boolean, since: Moment): Access {
  const token = text(body, answer.access) as string;
  const { exp, iat } = readClaims(token);
  const life = 1000 * (aTime(member(body, answer.expiresIn), (exp as number) - (iat as number)) ?? GUESSED_LIFE);
  const told = aTime(member(body, answer.refreshIn));
  return {
    token,
    of,
    // With a little room for the way to an API.
    life: life - Math.min(5000, life / 10),
    // As the server draws it: a crowd that logged in at one moment is spread by its first refresh, and stays spread.
    ahead: told ? 1000 * told : life * between(isFirst ? 0.15 : 0.6, 0.9),
    since,
  };
}

/** The session that an answer is of; '' where nothing in it says so. */
export const sessionOf = ({ answer }: Profile, body: Answer): string =>
  readToken(text(body, answer.refresh))?.session ??
  text(body, answer.session) ??
  text(readClaims(text(body, answer.access)), 'sid') ??
  '';

/** The same token with what is left of its times; so it can be told to another tab, whose clock starts elsewhere. */
export const left = (access: Access): Access => ({
  ...access,
  life: access.life - passed(access.since),
  ahead: access.ahead - passed(access.since),
});

/** When to ask for the next one by oneself: a little later in each tab, so that one asks and the others hear of it. */
export const dueIn = (access: Access): number => left(access).ahead + between(0, 2000);
