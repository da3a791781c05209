import axios from 'axios';
import { createClient, fastapiMonorepo } from 'sprag-client';
import { attach } from 'sprag-client/axios';

const client = createClient({ url: '', profile: fastapiMonorepo, mode: 'body', importFrom: 'refresh_token' });

attach(axios, client);
client.onSignedOut(() => location.assign('/login'));
export const login = (username: string, password: string) => client.login({ username, password });
export const logout = client.logout;
