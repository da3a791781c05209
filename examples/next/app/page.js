import { cookies } from 'next/headers';
import { auth } from '../lib/auth.js';
import { logOut } from './actions.js';
import { LogIn } from './log-in.js';

export default async function Page() {
  // Components cannot write cookies: they read, and proxy.js has refreshed before them.
  const session = auth.readOnly({ cookies: await cookies() });
  const { state } = await session.snapshot();
  if (state !== 'signed-in') return <LogIn />;

  const answer = await session.fetch(`${process.env.SPRAG_URL}/api/v1/auth/me`);
  const { username } = answer.ok ? await answer.json() : {};
  return (
    <main>
      <h1>You are logged in</h1>
      <p id="who">{username}</p>
      <form action={logOut}><button id="log-out">Log out</button></form>
    </main>
  );
}
