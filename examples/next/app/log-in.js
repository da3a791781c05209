'use client';

import { useActionState } from 'react';
import { logIn } from './actions.js';

export function LogIn() {
  const [problem, act] = useActionState(logIn);
  return (
    <form action={act}>
      <h1>Please log in</h1>
      <p><label>Name <input name="username" autoComplete="username" /></label></p>
      <p><label>Password <input name="password" type="password" autoComplete="current-password" /></label></p>
      {problem && <p role="alert">{problem}</p>}
      <button>Log in</button>
    </form>
  );
}
