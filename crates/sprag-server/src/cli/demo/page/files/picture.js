// The pictures: the row as a ratchet wheel with its pawl, and the tokens on a line of time.

const SVG = 'http://www.w3.org/2000/svg';
const TEETH = 18;
/** What of the time is shown, before and after now, in milliseconds. */
const BEFORE = 45_000;
const AFTER = 65_000;
/** How wide the names of the tokens are, how high a row is, and how many of each kind are shown. */
const NAMES = 84;
const LINE = 26;
const SHOWN = 4;

/** An element of a drawing. */
export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** A point of the wheel, by its angle in turns and its distance from the middle. */
const at = (turn, radius) => {
  const angle = (turn - 0.25) * 2 * Math.PI;
  return `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
};

/** The rim with its teeth: each rises slowly and falls at once, so that the pawl slides over it one way only. */
function rim() {
  let path = '';
  for (let tooth = 0; tooth < TEETH; tooth += 1) {
    path += `${tooth ? 'L' : 'M'}${at(tooth / TEETH, 100)} L${at(tooth / TEETH, 82)} `;
  }
  return `${path}Z`;
}

/** The wheel in `place`; gives what shows a row on it. */
export function wheel(place) {
  const number = draw('text', { class: 'generation', y: 6 });
  const word = draw('text', { class: 'word', y: 23 }, 'generation');
  const spokes = [0, 1, 2, 3, 4, 5].map((spoke) => draw('circle', { class: 'hole', r: 9, cx: at(spoke / 6, 63).split(' ')[0], cy: at(spoke / 6, 63).split(' ')[1] }));
  const turning = draw('g', { class: 'turning' }, draw('path', { class: 'rim', d: rim() }), ...spokes);
  const pawl = draw('g', { class: 'pawl' }, draw('path', { d: 'M0 -84 L26 -122 L42 -116 L12 -90 Z' }), draw('circle', { cx: 36, cy: -121, r: 8 }), draw('circle', { class: 'pin', cx: 36, cy: -121, r: 3 }));
  const image = draw('svg', { viewBox: '-116 -136 232 244', role: 'img' }, turning, draw('circle', { class: 'hub', r: 44 }), number, word, pawl);
  place.append(image);
  let shown;
  return (row, label) => {
    image.setAttribute('aria-label', `The session as a ratchet wheel. ${label}`);
    const generation = row?.generation ?? 0;
    number.textContent = row ? String(generation) : '–';
    turning.style.transform = `rotate(${(generation * 360) / TEETH}deg)`;
    place.dataset.state = !row ? 'none' : row.ended ? 'ended' : 'live';
    if (shown !== undefined && shown !== generation && row) {
      pawl.classList.remove('lifts');
      void pawl.getBoundingClientRect();
      pawl.classList.add('lifts');
    }
    shown = row ? generation : undefined;
  };
}

/** The line of time in `place`; gives what shows the world on it: a row for each token, its name before it. */
export function timeline(place) {
  const image = draw('svg', { role: 'img', preserveAspectRatio: 'none' });
  place.append(image);
  return (world, label) => {
    const width = Math.max(place.clientWidth, 240);
    const now = world.now();
    const end = world.row?.ended?.at;
    const span = width - NAMES - 8;
    const x = (time) => NAMES + ((Math.min(Math.max(time - now, -BEFORE), AFTER) + BEFORE) / (BEFORE + AFTER)) * span;
    const parts = [];
    let y = 0;
    const row = (name, kind, bars) => {
      if (bars.every(({ to }) => to < now - BEFORE)) return;
      parts.push(draw('text', { class: kind, x: 0, y: y + 17 }, name));
      for (const bar of bars.filter(({ from, to }) => to > now - BEFORE && to > from)) {
        const left = x(bar.from);
        parts.push(draw('rect', { class: bar.kind, x: left, y: y + 5, width: Math.max(x(bar.to) - left, 2), height: 16, rx: 4 }));
      }
      y += LINE;
    };
    for (const { generation, from, spent } of world.tokens.slice(-SHOWN)) {
      const over = spent ?? end;
      const bars = [{ kind: over ? 'spent' : 'newest', from, to: over ?? now + AFTER }];
      // What is spent is excused for a while, unless the session is over.
      if (spent) bars.push({ kind: 'excused', from: spent, to: Math.min(spent + world.settings.reuse_interval, end ?? Infinity) });
      row(`refresh ${generation}`, over ? 'past' : 'name', bars);
    }
    for (const { generation, from, until } of world.accesses.slice(-SHOWN)) {
      // APIs verify an access token by themselves: it runs out in its own time, also where the session is over.
      const isOver = until < now;
      row(`access ${generation}`, isOver ? 'past' : 'name', [{ kind: isOver ? 'over' : 'access', from, to: until }]);
    }
    parts.push(draw('line', { class: 'now', x1: x(now), x2: x(now), y1: 0, y2: y + 6 }));
    for (const [seconds, text] of [[-30, '−30 s'], [0, 'now'], [30, '+30 s'], [60, '+60 s']]) {
      // No room for both on a telephone.
      if (seconds === 30 && span < 320) continue;
      const anchor = seconds === 60 ? 'end' : 'middle';
      parts.push(draw('text', { class: 'tick', x: x(now + seconds * 1000), y: y + 22, 'text-anchor': anchor }, text));
    }
    const height = y + 30;
    image.setAttribute('viewBox', `0 0 ${width} ${height}`);
    image.setAttribute('height', String(height));
    image.setAttribute('aria-label', label);
    image.replaceChildren(...parts);
  };
}
