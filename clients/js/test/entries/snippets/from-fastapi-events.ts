import { createClient, fastapiEvents } from 'sprag-client';

const client = createClient({ url: '', profile: fastapiEvents, mode: 'body' });

export const login = (username: string, password: string) => client.login({ username, password });
export const authenticatedRequest = client.fetch;
export const logout = client.logout;
export const logoutAllDevices = client.logoutEverywhere;
client.onSignedOut(() => location.assign('/login'));
