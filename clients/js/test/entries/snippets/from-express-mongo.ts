import axios from 'axios';
import { createClient, expressMongo } from 'sprag-client';
import { attach } from 'sprag-client/axios';

export const client = createClient({ url: '', profile: expressMongo, mode: 'cookie' });

export const login = async (email: string, password: string) => (await client.login({ email, password })).user;
export const apiCall = client.fetch;
export const logout = client.logout;
client.onSignedOut(() => location.assign('/login'));

const api = axios.create({ baseURL: `${location.origin}/api` });
attach(api, client);
export default api;
