// One tab of an app: its client, by the name in the page's address, and what the rig asks of it.

const asked = Object.fromEntries(new URLSearchParams(location.search));
const { make } = await import(`/rig/${asked.client}.mjs`);
const facts = JSON.parse(asked.facts);

/** Tells the rig, also when this page is about to leave. What has an authorization of its own goes past a service worker. */
function report(what, more = {}) {
  const body = JSON.stringify({ tab: asked.tab, what, ...more });
  fetch('/rig/report', { method: 'POST', body, keepalive: true, headers: { authorization: 'rig' } }).catch(() => undefined);
}

/** What the front end before left here, once. */
const isMoved = asked.old !== undefined && asked.storage === 'kept';
if (isMoved && localStorage.getItem('moved') === null) {
  localStorage.setItem('moved', 'yes');
  localStorage.setItem('access_token', 'expired');
  if (asked.mode === 'body') localStorage.setItem('refresh_token', asked.old);
}

window.restored = 0;
addEventListener('pageshow', (event) => {
  if (event.persisted) window.restored += 1;
});

const { mode, keeper, clock } = asked;
window.rig = await make({ origin: location.origin, mode, keeper, clock, facts, report, device: asked.tab });
window.isReady = true;
