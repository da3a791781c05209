import { createServer } from 'sprag-client/server';

export const auth = createServer({ url: process.env.SPRAG_URL, secret: process.env.APP_SECRET });
