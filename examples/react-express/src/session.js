import { createClient } from 'sprag-client';

export const client = createClient({ url: '', mode: 'cookie' });
