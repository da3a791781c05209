import { useState } from 'react';
import { useClient } from 'sprag-client/react';

export function Notes() {
  const client = useClient();
  const [shown, setShown] = useState();

  async function load() {
    const answer = await client.fetch('/api/notes');
    setShown(answer.ok ? await answer.json() : { notes: [`the API answered ${answer.status}`] });
  }

  return (
    <main>
      <h1>You are logged in</h1>
      <button id="load" onClick={load}>Load notes</button>
      <button id="log-out" onClick={() => client.logout()}>Log out</button>
      {shown && <ul id="notes">{shown.notes.map((note) => <li key={note}>{note}</li>)}</ul>}
    </main>
  );
}
