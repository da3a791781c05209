import { createRoot } from 'react-dom/client';
import { SessionProvider, useSession } from 'sprag-client/react';
import { LogIn } from './log-in.jsx';
import { Notes } from './notes.jsx';
import { client } from './session.js';

function App() {
  const { state } = useSession();
  if (state === 'unknown') return <p>One moment …</p>;
  return state === 'signed-in' ? <Notes /> : <LogIn />;
}

createRoot(document.getElementById('root')).render(
  <SessionProvider client={client}>
    <App />
  </SessionProvider>,
);
