import fastify from 'fastify';
import { createVerifier, fastifyGuard } from 'sprag-client/verify';

const verifier = createVerifier({ issuer: process.env.ISSUER as string });
export const app = fastify();

app.get('/api/notes', { onRequest: fastifyGuard(verifier) }, async (request) => {
  const { sub } = (request as { auth?: { sub: string } }).auth ?? {};
  return { account: sub, notes: ['Buy milk', 'Water the plants'] };
});
