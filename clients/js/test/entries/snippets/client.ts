import { createClient } from 'sprag-client';

export const client = createClient({ url: '', mode: 'cookie' });

export async function logIn(username: string, password: string) {
  await client.login({ username, password });
}

export async function loadNotes() {
  const answer = await client.fetch('/api/notes');
  return answer.json();
}

client.session.addEventListener('change', () => {
  document.body.dataset.session = client.session.state; // unknown, signed-in or signed-out
});

client.onSignedOut(({ cause, detail }) => {
  if (cause !== 'logout') alert(detail);
});
