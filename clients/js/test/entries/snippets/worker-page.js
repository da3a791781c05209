import { connect } from 'sprag-client/service-worker';

// Where there is no worker, calls reject and say why.
navigator.serviceWorker?.register('/worker.js', { type: 'module' }).catch(console.error);
export const client = connect();
await client.ready;

export const logIn = (username, password) => client.login({ username, password });
// Plain fetch: the worker sends the access token with it.
export const loadNotes = async () => (await fetch('/api/notes')).json();
export const logOut = () => client.logout();
