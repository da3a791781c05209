import { connect } from 'sprag-client/service-worker';

navigator.serviceWorker.register('/worker.js', { type: 'module' });
export const client = connect();
await client.ready;

export const logIn = (username, password) => client.login({ username, password });
// Plain fetch: the worker sends the access token with it.
export const loadNotes = async () => (await fetch('/api/notes')).json();
export const logOut = () => client.logout();
