import { auth } from '$lib/auth.server.js';

export async function handle({ event, resolve }) {
  const address = event.getClientAddress();
  const session = auth.fromStore(event.cookies, event.request.headers, { address });
  // Before the page begins: once parts of it are sent, no cookie can be written. Whoever cannot reach the server reads on.
  await session.accessToken().catch(() => undefined);
  event.locals.session = session;
  return resolve(event);
}
