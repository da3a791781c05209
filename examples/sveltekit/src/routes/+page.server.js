import { env } from '$env/dynamic/private';
import { fail } from '@sveltejs/kit';

export async function load({ locals: { session } }) {
  const { state } = await session.snapshot();
  if (state !== 'signed-in') return {};
  const answer = await session.fetch(`${env.SPRAG_URL}/api/v1/auth/me`);
  return { user: answer.ok ? await answer.json() : undefined };
}

export const actions = {
  async login({ request, locals: { session } }) {
    const form = await request.formData();
    try {
      await session.login({ username: form.get('username'), password: form.get('password') });
    } catch (error) {
      return fail(error.status || 503, { problem: error.message });
    }
  },
  // Its cookies are gone in any case; a server that is away is told nothing, and the session ends by its idle time.
  logout: ({ locals: { session } }) => session.logout().catch(console.error),
};
