import { env } from '$env/dynamic/private';
import { createServer } from 'sprag-client/server';

export const auth = createServer({ url: env.SPRAG_URL, secret: env.APP_SECRET });
