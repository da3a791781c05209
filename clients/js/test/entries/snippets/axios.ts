import axios from 'axios';
import { createClient } from 'sprag-client';
import { attach } from 'sprag-client/axios';

const client = createClient({ url: '', mode: 'cookie' });
const api = axios.create({ baseURL: `${location.origin}/api` });
attach(api, client);

export const login = (username: string, password: string) => client.login({ username, password });
export const notes = async () => (await api.get('/notes')).data;
export const logout = client.logout;
