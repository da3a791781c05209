// Binds the little world to the page: buttons on the one side, pictures and words on the other.

import { timeline, wheel } from './picture.js';
import { STORIES } from './stories.js';
import { ofRow, told, withPlain, withSprag } from './words.js';
import { World } from './world.js';

const at = (id) => document.getElementById(id);
const world = new World();
const showWheel = wheel(at('wheel'));
const showTimes = timeline(at('timeline'));

/** An element with a class and what is in it. */
function element(name, kind, ...children) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...children);
  return made;
}

/** Changes the words in a place only where they differ: readers are told of nothing that stays. */
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

// The stories.

let story = STORIES[0];
let step = 0;
let isBusy = false;

const choices = STORIES.map((each, index) => {
  const button = element('button', 'choice', element('span', 'count', String(index + 1)), ' ', each.title);
  button.type = 'button';
  button.addEventListener('click', () => begin(each));
  at('stories').append(element('li', '', button));
  return button;
});

function begin(chosen) {
  if (isBusy) return;
  [story, step] = [chosen, 0];
  choices.forEach((button, index) => button.setAttribute('aria-current', STORIES[index] === story ? 'step' : 'false'));
  say(at('story-title'), story.title);
  at('told').replaceChildren(element('p', '', story.intro));
  offer();
}

/** What the button does next. */
function offer() {
  const next = STORIES[STORIES.indexOf(story) + 1];
  const label = story.steps[step]?.label ?? (next ? `Next story: ${next.title}` : 'Begin again');
  say(at('next'), label);
}

function tell(text, kind) {
  const paragraph = element('p', kind, text);
  at('told').append(paragraph);
  at('told').scrollTop = at('told').scrollHeight;
}

at('next').addEventListener('click', async () => {
  if (isBusy) return;
  const here = story.steps[step];
  if (!here) return begin(STORIES[(STORIES.indexOf(story) + 1) % STORIES.length]);
  await alone(at('next'), async () => {
    await here.act(world, (text) => say(at('waiting'), text));
    step += 1;
    tell(here.say, 'step');
    if (step === story.steps.length) tell(story.moral, 'moral');
  });
  offer();
});

/** Runs one thing at a time; a button that waits stays where the keyboard is. */
async function alone(button, act) {
  if (isBusy) return;
  isBusy = true;
  button.setAttribute('aria-busy', 'true');
  document.body.classList.add('busy');
  try {
    await act();
  } catch (error) {
    tell(`That went wrong: ${error.message}`, 'moral');
  } finally {
    isBusy = false;
    button.removeAttribute('aria-busy');
    document.body.classList.remove('busy');
    say(at('waiting'), '');
    show();
  }
}

// The visitor's own hands. A tab may ask while another one waits, so its buttons wait for nobody.

const orders = {
  'log-in': () => world.logIn(),
  'log-out': () => world.logOut(),
  'open-tab': () => world.openTab(),
  'refresh-all': () => world.refreshAll(),
  copy: () => world.thief.copy(),
  use: () => world.thief.use(),
  'back-up': () => world.backUp(),
  restore: () => world.restore(),
};
for (const [id, act] of Object.entries(orders)) {
  at(id).addEventListener('click', () => {
    if (at(id).getAttribute('aria-disabled') !== 'true') alone(at(id), act);
  });
}

/** A button that cannot do anything just now can still be found by the keyboard. */
function allow(button, is) {
  button.setAttribute('aria-disabled', String(!is));
}

const FAULTS = [
  ['drop', 'Lose the next answer'],
  ['delay', 'Delay the next answer'],
];

function cardOf(tab) {
  const words = element('span', 'state');
  const refresh = element('button', '', 'Refresh');
  const offline = element('button', 'switch', 'Offline');
  const switches = FAULTS.map(([fault, label]) => {
    const button = element('button', 'switch', label);
    button.addEventListener('click', () => {
      tab.fault = tab.fault === fault ? '' : fault;
      world.changed();
    });
    return { button, is: () => tab.fault === fault };
  });
  switches.push({ button: offline, is: () => tab.isOffline });
  offline.addEventListener('click', () => {
    tab.isOffline = !tab.isOffline;
    world.changed();
  });
  refresh.addEventListener('click', () => tab.refresh());
  const buttons = [refresh, ...switches.map(({ button }) => button)];
  buttons.forEach((button) => {
    button.type = 'button';
  });
  const group = element('div', 'tab', element('h3', '', tab.name, ' ', words), element('p', 'buttons', ...buttons));
  group.setAttribute('role', 'group');
  group.setAttribute('aria-label', tab.name);
  const update = () => {
    const state = tab.isOffline ? 'offline' : tab.asking ? 'asking …' : tab.state === 'signed-in' ? 'logged in' : 'logged out';
    say(words, state);
    group.dataset.state = tab.isOffline ? 'offline' : tab.state;
    switches.forEach(({ button, is }) => button.setAttribute('aria-pressed', String(is())));
  };
  return { group, update };
}

const cards = new Map();

function showTabs() {
  for (const [tab, { group }] of cards) {
    if (world.tabs.includes(tab)) continue;
    group.remove();
    cards.delete(tab);
  }
  for (const tab of world.tabs) {
    if (!cards.has(tab)) {
      cards.set(tab, cardOf(tab));
      at('tabs').append(cards.get(tab).group);
    }
    cards.get(tab).update();
  }
}

// What is seen.

let listed = 0;

function showVerdicts() {
  const newest = world.verdicts.at(-1)?.number ?? 0;
  if (newest === listed) return;
  listed = newest;
  const entries = [...world.verdicts].reverse().map((entry) => {
    const { who, row, name, tone, sentence } = told(entry);
    const head = element('p', 'head', element('b', '', who), ' ', element('span', `verdict ${tone}`, row ? `${row}: ${name}` : name));
    return element('li', tone, head, element('p', '', sentence));
  });
  at('verdicts').replaceChildren(...entries);
}

function showFate(id, { owner, thief, noticed, why }) {
  const [list, note] = [at(id).querySelector('ul'), at(id).querySelector('.note')];
  const lines = [owner, thief, noticed];
  while (list.children.length < lines.length) list.append(element('li', ''));
  lines.forEach(([tone, text], index) => {
    list.children[index].className = tone;
    say(list.children[index], text);
  });
  say(note, why);
}

/** How the tokens stand, in words. */
function times() {
  const now = world.now();
  const last = world.accesses.at(-1);
  if (!last || !world.row) return 'No tokens yet.';
  if (world.row.ended) return 'Every refresh token of this session is dead; access tokens that are out run down by themselves.';
  const spent = world.tokens.filter((token) => token.spent && token.spent + world.settings.reuse_interval > now);
  const excused = spent.map((token) => `refresh token ${token.generation} is spent, and excused for a few seconds`);
  const left = last.until > now ? 'the access token is good' : 'the access token has expired';
  return `Refresh token ${world.row.generation} is good; ${[...excused, left].join('; ')}.`;
}

function show() {
  showTabs();
  showVerdicts();
  const words = ofRow(world.row);
  showWheel(world.row, words);
  say(at('row-words'), words);
  showTimes(world, times());
  showFate('with-sprag', withSprag(world));
  showFate('with-plain', withPlain(world.plain));
  const { thief } = world;
  const HELD = { empty: 'Empty.', holds: `A copy of token ${thief.generation}.`, in: `Token ${thief.generation}; it was served.`, out: `Token ${thief.generation}, which is worth nothing.` };
  say(at('box'), HELD[thief.state]);
  say(at('backup-words'), world.hasBackup ? 'There is a backup.' : 'There is no backup.');
  allow(at('open-tab'), world.isIn && world.tabs.length < 4);
  allow(at('refresh-all'), world.tabs.length > 1);
  allow(at('log-out'), world.isIn);
  allow(at('copy'), Boolean(world.stored()?.t));
  allow(at('use'), Boolean(thief.token));
  allow(at('restore'), world.hasBackup);
}

let isDue = false;
world.addEventListener('change', () => {
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    show();
  });
});

await world.begin();
say(at('spans'), `Here the reuse interval is ${world.settings.reuse_interval / 1000} seconds, and an access token lives for at most ${world.settings.access / 1000}.`);
begin(story);
show();
setInterval(() => showTimes(world, times()), 250);
document.body.dataset.ready = 'true';
