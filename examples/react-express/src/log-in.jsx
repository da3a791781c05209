import { useState } from 'react';
import { useClient, useSession } from 'sprag-client/react';

export function LogIn() {
  const client = useClient();
  const { signedOut } = useSession();
  const [problem, setProblem] = useState();

  async function logIn(form) {
    try {
      await client.login({ username: form.get('username'), password: form.get('password') });
    } catch (error) {
      setProblem(error.message);
    }
  }

  return (
    <form action={logIn}>
      <h1>Please log in</h1>
      {signedOut && signedOut.cause !== 'logout' && <p>Your session was ended: {signedOut.detail}</p>}
      <p><label>Name <input name="username" autoComplete="username" /></label></p>
      <p><label>Password <input name="password" type="password" autoComplete="current-password" /></label></p>
      {problem && <p role="alert">{problem}</p>}
      <button>Log in</button>
    </form>
  );
}
