import { createClient } from 'sprag-client';
import { createPasskeys, needed } from 'sprag-client/passkeys';

export const client = createClient({ url: '', mode: 'cookie' });
export const passkeys = createPasskeys(client, { url: '' });

/** A name and a password; whoever has a passkey as their second factor is asked for it next. */
export async function logIn(username, password) {
  try {
    await client.login({ username, password });
  } catch (error) {
    const next = needed(error);
    if (!next?.factors.includes('passkey')) throw error;
    await passkeys.secondFactor(next);
  }
}

export { needed };

/** A code of their app's or a recovery code, typed by whoever has no passkey: `next.factors` has `totp` or `recovery_code`. */
export const withCode = (next, code) => client.enter('/api/v1/auth/login/factor', { mfa_token: next.token, code });

/** Who must have a second factor and has none makes a passkey, and is logged in by that; `code` is that of a letter, if one came. */
export const enrol = (next, code) => passkeys.enrol(next, { code, label: 'my first one' });

/** A button, for whoever has a passkey: no name, no password. */
export const logInWithPasskey = () => passkeys.logIn();

/** On the page where people log in, beside `<input name="username" autocomplete="username webauthn">`. */
export async function offerPasskeys() {
  const answer = await passkeys.offer();
  return answer !== undefined;
}

/** In the settings of whoever is logged in. */
export async function addPasskey(label) {
  try {
    return await passkeys.add(label);
  } catch (error) {
    // They showed who they are too long ago.
    if (error.code !== 'step_up_required') throw error;
    await passkeys.stepUp();
    return passkeys.add(label);
  }
}
