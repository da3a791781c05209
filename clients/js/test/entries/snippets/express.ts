import express from 'express';
import { createServer, type ServerSession } from 'sprag-client/server';

const auth = createServer({ url: process.env.SPRAG_URL as string, secret: process.env.APP_SECRET });
export const app = express();

// The session of each request, in `request.sprag`.
app.use(auth.express());
const of = (request: express.Request) => (request as express.Request & { sprag: ServerSession }).sprag;

app.post('/login', express.urlencoded(), async (request, response) => {
  const { username, password } = request.body;
  await of(request).login({ username, password });
  response.redirect(303, '/');
});

app.get('/', async (request, response) => {
  const answer = await of(request).fetch(`${process.env.SPRAG_URL}/api/v1/auth/me`);
  response.send(answer.ok ? `Hello ${(await answer.json()).username}` : 'Please log in');
});

app.post('/logout', async (request, response) => {
  // Its cookies are gone in any case; a server that is away is told nothing, and the session ends by its idle time.
  await of(request).logout().catch(console.error);
  response.redirect(303, '/');
});
