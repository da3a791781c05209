// What each verdict is called, and what it means in one sentence.

/** By the row of the verdict table; the second word is its colour. */
const ROWS = {
  1: ['refused', 'bad', 'This is none of the server’s tokens. It is refused without a look at the database.'],
  2: ['not now', 'quiet', 'The store cannot answer just now. Nobody is logged out for that; the client asks again.'],
  3: ['refused', 'bad', 'There is no such session any more.'],
  4: ['refused', 'bad', 'The tag is right and the secret is not: somebody has the server’s key.'],
  5: ['already over', 'bad', 'This session has ended, and the answer says why.'],
  6: ['followed', 'warn', 'The token is genuine and newer than the row, so the database must have gone back. Its holder is not punished: the wheel moves on to where the token says, and the operator is told.'],
  7: ['theft: ended', 'bad', 'Spent long ago. Nobody honest would show this token now, so somebody has a copy: the session ends, for everyone who holds any of its tokens.'],
  8: ['same answer again', 'good', 'This very request was carried out before and its answer got lost; its retry id proves it. So it gets the same token again, and nothing turns.'],
  9: ['answered again', 'good', 'Spent just now: inside the reuse interval that is taken for a slow tab or a lost answer. It gets the token that took its place, and nothing turns.'],
  10: ['theft: ended', 'bad', 'Spent, and too long ago for a lost answer. Somebody has a copy, and the server cannot tell who is the thief: so the session ends for both.'],
  11: ['ended', 'bad', 'The account is disabled, or its password has changed.'],
  12: ['expired', 'bad', 'The session was left alone for too long.'],
  '12b': ['theft: ended', 'bad', 'Two sides had a claim on this token: the session ends.'],
  13: ['no need to turn', 'good', 'The newest token, and the wheel turned a moment ago: there is a fresh access token, and the refresh token stays as it is.'],
  14: ['turned', 'good', 'The newest token: the wheel turns by one tooth, the token that was shown is spent, and the next one is handed out.'],
  15: ['not now', 'quiet', 'Too many at once; the client asks again.'],
  login: ['logged in', 'good', 'A new session: one row in the database, generation 0, and the first pair of tokens.'],
  logout: ['logged out', 'quiet', 'The session ended because its user said so.'],
  offline: ['nothing was sent', 'quiet', 'There is no network. The client keeps its token and will ask again.'],
  backup: ['backup made', 'quiet', 'A copy of the whole database, as it stands now.'],
  restore: ['backup restored', 'warn', 'The server was stopped, the old copy put in the place of the database, and the server started again. What happened since the backup is forgotten.'],
  none: ['answered', 'quiet', 'The server answered without looking at a session.'],
};

const LOST = {
  drop: ' The answer never reaches the tab.',
  cut: ' The answer never reaches the tab, and the network is gone.',
  delay: ' The answer is on its way for four seconds.',
};

/** One entry of the list of what happened: who, with what, by which row, what that is called and means. */
export function told(entry) {
  const [name, tone, sentence] = ROWS[entry.row] ?? ROWS.none;
  const isRow = /^\d/.test(entry.row);
  const showed = entry.before === undefined ? '' : ` shows token ${entry.before}`;
  const gets = entry.after !== undefined && entry.after !== entry.before ? ` and gets token ${entry.after}` : '';
  const cause = entry.row === '5' && entry.cause ? ` Here it is: ${entry.cause}.` : '';
  return {
    who: `${entry.who}${showed}${gets}`,
    row: isRow ? `row ${entry.row}` : '',
    name,
    tone,
    sentence: sentence + cause + (LOST[entry.fault] ?? ''),
  };
}

const CAUSES = {
  reuse: 'because a spent token came back',
  logout: 'because she logged out',
};

/** How the row stands, for people. */
export function ofRow(row) {
  if (!row) return 'No session yet.';
  if (row.ended) return `Ended at generation ${row.generation}, ${CAUSES[row.ended.cause] ?? `cause ${row.ended.cause}`}.`;
  return `Live, at generation ${row.generation}.`;
}

/** How the owner and the thief fare, and whether anybody was told: with Sprag. */
export function withSprag(world) {
  const cause = world.row?.ended?.cause;
  const owner = world.isIn ? ['in', 'Ann is logged in'] : cause === 'reuse' ? ['warn', 'Ann must log in again'] : ['none', 'Ann is not logged in'];
  const isOver = Boolean(world.row?.ended);
  const thief = {
    empty: ['none', 'No thief'],
    holds: ['warn', 'The thief holds a copy'],
    in: isOver ? ['good', 'The thief is out'] : ['bad', 'The thief is in'],
    out: ['good', 'The thief is out'],
  }[world.thief.state];
  const grave = world.events.filter((event) => event.severity !== 'notice').map((event) => event.kind);
  const hasReuse = world.events.some((event) => event.cause === 'reuse');
  const noticed = hasReuse
    ? ['good', 'Noticed: the journal says “reuse”, as critical']
    : grave.length > 0
      ? ['warn', `Noted in the journal: ${[...new Set(grave)].join(', ')}`]
      : ['none', 'Nothing to report'];
  return { owner, thief, noticed, why: '' };
}

/** How they fare with a server that rotates and deletes. */
export function withPlain({ owner, thief }) {
  return {
    owner: { nobody: ['none', 'Ann is not logged in'], in: ['in', 'Ann is logged in'], out: ['out', 'Ann is thrown out'] }[owner.state],
    thief: { empty: ['none', 'No thief'], holds: ['warn', 'The thief holds a copy'], in: ['bad', 'The thief is in'], out: ['good', 'The thief is out'] }[thief.state],
    noticed: owner.state === 'out' || thief.state === 'in' || thief.state === 'out' ? ['bad', 'Nobody is told of anything'] : ['none', 'Nothing to report'],
    why: owner.why || thief.why,
  };
}
