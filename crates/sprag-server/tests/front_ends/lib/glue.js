// Binds the buttons of page.html to a document's code: `/` runs index.js of its folder, `/axios` runs axios.js, and so on.

const name = location.pathname.slice(1) || 'index';
const { app } = await import(`/fixture/${name}.js`);
const at = (id) => document.getElementById(id);

const PATHS = ['notes', 'events', 'friends'];

/** Shows what an action came to, a word for its state and what it gave. */
async function show(action) {
  at('shown').textContent = '';
  try {
    at('shown').textContent = `done ${JSON.stringify((await action()) ?? null)}`;
  } catch (error) {
    at('shown').textContent = `failed ${JSON.stringify(error.message)}`;
  }
}

at('log-in').addEventListener('submit', (event) => {
  event.preventDefault();
  show(() => app.logIn(at('name').value, at('password').value));
});
at('load').addEventListener('click', () => show(() => app.load(PATHS[0])));
at('load-all').addEventListener('click', () => show(() => Promise.all(PATHS.map((path) => app.load(path)))));
at('log-out').addEventListener('click', () => show(() => app.logOut()));
at('log-out-all').addEventListener('click', () => show(() => app.logOutAll()));
window.app = app;
