/**
 * Vue: the session as a ref.
 *
 * @module
 */
import {
  type App,
  getCurrentScope,
  inject,
  type InjectionKey,
  onScopeDispose,
  type Plugin,
  readonly,
  type Ref,
  shallowRef,
} from 'vue';
import type { Client, SessionSnapshot, SignedOut } from './types.js';

/** What of a client shows the session; also what `sprag-client/service-worker` connects a page to. */
export type SessionSource = Pick<Client, 'session' | 'onSignedOut'>;

const KEY: InjectionKey<SessionSource> = Symbol('sprag');

/** Makes the client known to the whole app: `app.use(sprag(client))`. */
export function sprag(client: SessionSource): Plugin {
  return { install: (app: App) => void app.provide(KEY, client) };
}

/** The client that the app uses. */
export function useClient<Kind extends SessionSource = Client>(): Kind {
  const client = inject(KEY, undefined);
  if (!client) throw new Error('no client is known here; call app.use(sprag(client)), or hand the client in');
  return client as Kind;
}

/** The session as a ref, which changes with it, in whichever tab. Ends with the component. */
export function useSession(client: SessionSource = useClient()): Readonly<Ref<SessionSnapshot>> {
  const session = shallowRef(client.session.current);
  const follow = () => {
    session.value = client.session.current;
  };
  client.session.addEventListener('change', follow);
  whenOver(() => client.session.removeEventListener('change', follow));
  return readonly(session) as Readonly<Ref<SessionSnapshot>>;
}

/** Calls back each time a session that was there has ended, in whichever tab: the place to lead to the log-in page. */
export function useSignedOut(listener: (why: SignedOut) => void, client: SessionSource = useClient()): void {
  whenOver(client.onSignedOut(listener));
}

function whenOver(stop: () => void): void {
  if (getCurrentScope()) onScopeDispose(stop);
}
