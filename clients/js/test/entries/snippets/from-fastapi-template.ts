import { createClient, fastapiTemplate } from 'sprag-client';

const client = createClient({ url: '', profile: fastapiTemplate, mode: 'body', importFrom: 'refresh_token' });

export const login = (username: string, password: string) => client.login({ username, password });
export const apiRequest = client.fetch;
export const logout = client.logout;
client.onSignedOut(() => location.assign('/login'));
