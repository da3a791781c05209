'use server';

import { cookies, headers } from 'next/headers';
import { redirect } from 'next/navigation';
import { auth } from '../lib/auth.js';

const session = async () => auth.fromStore(await cookies(), await headers());

export async function logIn(_before, form) {
  try {
    await (await session()).login({ username: form.get('username'), password: form.get('password') });
  } catch (error) {
    return error.message;
  }
  redirect('/');
}

export async function logOut() {
  // Its cookies are gone in any case; a server that is away is told nothing, and the session ends by its idle time.
  await (await session()).logout().catch(console.error);
  redirect('/');
}
