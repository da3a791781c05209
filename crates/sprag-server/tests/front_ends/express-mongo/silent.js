// The app of index.js with the document's silent refresh.
import './silent-refresh.js';

export { app } from './index.js';
