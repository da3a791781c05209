// The same app with the document's silent refresh.
import './silent-refresh.js';

export { app } from './index.js';
