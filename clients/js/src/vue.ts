/**
 * Vue: the session as a ref.
 *
 * @module
 */
import {
  type App,
  getCurrentInstance,
  getCurrentScope,
  inject,
  type InjectionKey,
  onMounted,
  onScopeDispose,
  type Plugin,
  readonly,
  type Ref,
  shallowRef,
} from 'vue';
import { noClient } from './no-client.js';
import type { Client, SessionSnapshot, SignedOut } from './types.js';

/** What of a client shows the session; also what `sprag-client/service-worker` connects a page to. */
export type SessionSource = Pick<Client, 'session' | 'onSignedOut'>;

interface Provided {
  client: SessionSource;
  initial: SessionSnapshot | undefined;
}

const KEY: InjectionKey<Provided> = Symbol('sprag');

/** Nobody knows yet: what is shown on the server, and until the first answer. */
const UNKNOWN: SessionSnapshot = Object.freeze({ state: 'unknown' });

export interface SpragOptions {
  /**
   * What the server knew while it rendered. The page shows it until the client knows for itself, so that nothing flickers
   * and the first render is the server's.
   */
  initial?: SessionSnapshot | undefined;
}

/** Makes the client known to the whole app: `app.use(sprag(client))`. */
export function sprag(client: SessionSource, { initial }: SpragOptions = {}): Plugin {
  return { install: (app: App) => void app.provide(KEY, { client, initial }) };
}

/** The client that the app uses. */
export function useClient<Kind extends SessionSource = Client>(): Kind {
  return provided().client as Kind;
}

/**
 * The session as a ref, which changes with it, in whichever tab. Ends with the component. On a server it shows what was given as
 * `initial`, never what the module's one client knows: that would be one visitor's session in everybody's page.
 */
export function useSession(client?: SessionSource, options: SpragOptions = {}): Readonly<Ref<SessionSnapshot>> {
  const { client: used, initial } = client ? { client, initial: options.initial } : provided();
  const now = (): SessionSnapshot => {
    const { current } = used.session;
    return current.state === 'unknown' && initial ? initial : current;
  };
  const session = shallowRef(isRenderedOnServer() ? (initial ?? UNKNOWN) : now());
  const follow = (): void => {
    session.value = now();
  };
  whileShown(() => {
    used.session.addEventListener('change', follow);
    follow();
    return () => used.session.removeEventListener('change', follow);
  });
  return readonly(session) as Readonly<Ref<SessionSnapshot>>;
}

/** Calls back each time a session that was there has ended, in whichever tab: the place to lead to the log-in page. */
export function useSignedOut(listener: (why: SignedOut) => void, client: SessionSource = useClient()): void {
  whileShown(() => client.onSignedOut(listener));
}

function provided(): Provided {
  const found = inject(KEY, undefined);
  if (!found) throw noClient('call app.use(sprag(client))');
  return found;
}

/** Whether this render is a server's, or a page's that takes a server's over: its first must show the same. */
function isRenderedOnServer(): boolean {
  const component = getCurrentInstance();
  // What is taken over has its element before it was mounted.
  return component !== null && (typeof document === 'undefined' || component.vnode.el !== null);
}

/** Listens as long as the component is shown. A server's never is, and nobody would tell that it is gone. */
function whileShown(listen: () => () => void): void {
  let stop: (() => void) | undefined;
  if (getCurrentScope()) onScopeDispose(() => stop?.());
  const begin = (): void => {
    stop = listen();
  };
  if (getCurrentInstance()) onMounted(begin);
  else begin();
}
