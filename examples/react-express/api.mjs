import express from 'express';
import { createVerifier, expressGuard } from 'sprag-client/verify';

const verifier = createVerifier({ issuer: process.env.ISSUER, jwksUrl: process.env.JWKS_URL });
const app = express();

app.use('/api', expressGuard(verifier));
app.get('/api/notes', (request, response) => {
  response.json({ account: request.auth.sub, notes: ['Buy milk', 'Water the plants'] });
});

app.listen(process.env.PORT, '127.0.0.1');
