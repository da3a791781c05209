// One tab of an app: its client, by the name in the page's address, and what the rig asks of it.

const asked = Object.fromEntries(new URLSearchParams(location.search));
const { make } = await import(`/rig/${asked.client}.mjs`);
const facts = JSON.parse(asked.facts);

/** Tells the rig, also when this page is about to leave. */
function report(what, more = {}) {
  const body = JSON.stringify({ tab: asked.tab, what, ...more });
  fetch('/rig/report', { method: 'POST', body, keepalive: true }).catch(() => undefined);
}

window.restored = 0;
addEventListener('pageshow', (event) => {
  if (event.persisted) window.restored += 1;
});

window.rig = await make({ origin: location.origin, mode: asked.mode, facts, report, device: asked.tab });
window.isReady = true;
