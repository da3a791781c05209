/**
 * A service worker that holds the tokens: no script of the page ever sees one.
 *
 * In the worker: `serve(createClient({ … }))`. In the page: `connect(registration)`, which has the client's methods, and plain
 * `fetch`, whose requests to the allowed origins the worker sends with the access token.
 *
 * @module
 */
export { type PageClient, connect } from './service-worker/page.js';
export { kvStorage } from './service-worker/storage.js';
export { serve } from './service-worker/worker.js';
