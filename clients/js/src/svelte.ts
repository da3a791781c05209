/**
 * Svelte: the session as a store, for `$session` in components of Svelte 4 and 5.
 *
 * @module
 */
import type { Readable } from 'svelte/store';
import type { Client, SessionSnapshot } from './types.js';

/**
 * The session as a store, which changes with it, in whichever tab. `initial` is what the server knew while it rendered; it is
 * shown until the client knows for itself.
 */
export function sessionStore(client: Pick<Client, 'session'>, initial?: SessionSnapshot): Readable<SessionSnapshot> {
  const now = () => {
    const { current } = client.session;
    return current.state === 'unknown' && initial ? initial : current;
  };
  return {
    subscribe(run) {
      const follow = () => run(now());
      client.session.addEventListener('change', follow);
      follow();
      return () => client.session.removeEventListener('change', follow);
    },
  };
}
