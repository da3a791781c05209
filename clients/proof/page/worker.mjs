// The service worker of a round: it holds the tokens, and no page sees one.

import * as profiles from 'sprag-client';
import { serve } from 'sprag-client/service-worker';

const asked = Object.fromEntries(new URLSearchParams(location.search));

// What is wrong with this machine's clock.
const clock = Number(asked.clock);
if (clock) {
  const { now } = Date;
  Date.now = () => now() + clock;
}

const client = serve({ url: '', profile: profiles[asked.profile], mode: asked.mode });

// At a round's end nobody refreshes any more.
addEventListener('message', ({ data }) => data?.rig === 'close' && client.close());
