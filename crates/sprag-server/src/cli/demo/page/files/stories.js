// The stories: each a few steps that the visitor takes, with what to see in them, and how it would have ended elsewhere.

import { pause } from './pause.js';

const LOG_IN = {
  label: 'Ann logs in',
  act: (world) => world.logIn(),
  say: 'Ann’s browser has its first pair. The access token opens doors for a minute here; refresh token 0 is kept for when that is over. In the database there is one row, at generation 0.',
};

const REFRESH = (say) => ({ label: 'Her tab refreshes', act: (world) => world.tabs[0].refresh(), say });

/** Waits until what was spent last is out of the reuse interval. */
const WAIT = (say) => ({
  label: 'Wait until the reuse interval is over',
  act: async (world, tell) => {
    const spent = Math.max(world.row?.rotated_at ?? 0, ...world.tokens.map((token) => token.spent ?? 0));
    const end = spent + world.settings.reuse_interval + 400;
    for (let left = end - world.now(); left > 0; left = end - world.now()) {
      tell(`${Math.ceil(left / 1000)} s to go …`);
      await pause(Math.min(left, 1000));
    }
  },
  say,
});

export const STORIES = [
  {
    id: 'turn',
    title: 'The wheel turns',
    intro: 'You stay logged in for weeks, yet no token that you show around is good for more than a few minutes. See how.',
    steps: [
      LOG_IN,
      REFRESH('The tab showed refresh token 0 and got the next pair. The wheel turned by one tooth, and the pawl keeps it from turning back: token 0 is spent for good.'),
      WAIT('For a few seconds after a turn the spent token may still be excused: that is the reuse interval. It is over now.'),
      REFRESH('And so on, for weeks. The database keeps one number for all of it, not a row for each token.'),
    ],
    moral: 'Each refresh token is good once. Up to here every careful server does the same. What counts is what happens when something goes wrong: try the next story.',
  },
  {
    id: 'lost',
    title: 'An answer gets lost',
    intro: 'Trains have tunnels. The server turns the wheel, but its answer never arrives: the tab still has the old token.',
    steps: [
      LOG_IN,
      {
        label: 'Her tab refreshes, and the answer is lost',
        act: async (world) => {
          world.tabs[0].fault = 'drop';
          await world.tabs[0].refresh();
        },
        say: 'The client asked again with the same retry id, which it had stored before the first request left. So the server knew: that is the same request. It gave the same token once more, and Ann noticed nothing.',
      },
    ],
    moral: 'A server that deletes what was shown has nothing left to compare with. The second try looks like a forged token, and Ann is thrown out.',
  },
  {
    id: 'tabs',
    title: 'Two tabs at once',
    intro: 'Ann opens her laptop, and all her tabs wake up and refresh in the same moment, with the same token.',
    steps: [
      LOG_IN,
      { label: 'She opens a second tab', act: (world) => world.openTab(), say: 'Both tabs are of one browser: they keep one token between them.' },
      {
        label: 'Both refresh at once',
        act: (world) => world.refreshAll(),
        say: 'One of them turned the wheel. The other showed what was spent a moment ago, and got the very token that the first one got. Both go on with the same one.',
      },
    ],
    moral: 'No lock between tabs is needed, and none can hang: the server settles it. Rotate-and-delete throws the slower tab out.',
  },
  {
    id: 'slow',
    title: 'A slow answer',
    intro: 'The answer does come, but late; meanwhile another tab has asked.',
    steps: [
      LOG_IN,
      { label: 'She opens a second tab', act: (world) => world.openTab(), say: 'Two tabs, one browser.' },
      {
        label: 'Tab 1 asks, its answer dawdles; Tab 2 asks as well',
        act: async (world) => {
          world.tabs[0].fault = 'delay';
          const slow = world.tabs[0].refresh();
          await pause(900);
          await world.tabs[1].refresh();
          await slow;
        },
        say: 'Tab 2 was given the same token that was on its way to Tab 1. When the late answer came at last, it brought nothing older than what was there: the higher generation wins, whoever comes last.',
      },
    ],
    moral: 'Answers may arrive in any order. A token says its generation, so a late one never takes the place of a newer one.',
  },
  {
    id: 'offline',
    title: 'Offline for an hour',
    intro: 'The worst moment to lose the network: the wheel has turned, the answer is lost, and it stays dark for long.',
    steps: [
      LOG_IN,
      REFRESH('So far all is well: token 1 is in the browser.'),
      WAIT('And some time goes by.'),
      {
        label: 'Her tab refreshes; answer and network are lost',
        act: async (world) => {
          world.tabs[0].fault = 'cut';
          await world.tabs[0].refresh();
        },
        say: 'The server is at generation 2; Ann’s browser still has token 1. The client has tried again, and knows that it is offline. It forgets nothing.',
      },
      WAIT('Outside the reuse interval now: from anybody else token 1 would be taken for a theft.'),
      {
        label: 'The network is back',
        act: async (world) => {
          world.tabs[0].isOffline = false;
          await world.tabs[0].refresh();
        },
        say: 'The same retry id, from the same browser: however late, it is the same request. Ann goes on where she was.',
      },
    ],
    moral: 'An honest client is never thrown out by a lost answer. With rotate-and-delete she would have been, at her first step out of the tunnel.',
  },
  {
    id: 'thief',
    title: 'A thief copies the token',
    intro: 'Somebody gets at Ann’s refresh token: a bad browser extension, a log file, a borrowed laptop. Both hold the same token now.',
    steps: [
      LOG_IN,
      REFRESH('Ann works as always.'),
      {
        label: 'The thief copies token 1',
        act: (world) => world.thief.copy(),
        say: 'Nothing can be seen from outside: a copy leaves no trace.',
      },
      WAIT('The thief waits for a quiet moment.'),
      {
        label: 'The thief uses the copy',
        act: (world) => world.thief.use(),
        say: 'Token 1 is still the newest, so the thief is served; no server could know better. But the wheel has turned, and Ann knows nothing of it.',
      },
      WAIT('Neither of them has noticed anything yet.'),
      REFRESH('Ann’s own token is spent, and not by her. One of the two is a thief; the server cannot know which, so it ends the session for both, and tells the journal and her.'),
      {
        label: 'The thief tries once more',
        act: (world) => world.thief.use(),
        say: 'Out. Ann logs in again with her password; the thief has none. The copy was good for one refresh.',
      },
    ],
    moral: 'Rotate-and-delete throws Ann out and lets the thief stay, for as long as the thief likes, and nobody is told. That is the whole point of a ratchet: what is spent is not forgotten, it is recognised.',
  },
  {
    id: 'backup',
    title: 'A backup is restored',
    intro: 'The database breaks, and last night’s copy takes its place. Every token that was handed out since is newer than the database.',
    steps: [
      LOG_IN,
      { label: 'The operator makes a backup', act: (world) => world.backUp(), say: 'A copy of the database, with the row at generation 0.' },
      REFRESH('Ann goes on working.'),
      WAIT('Time goes by.'),
      REFRESH('The row is at generation 2 by now, and so is Ann’s token.'),
      {
        label: 'The operator restores the backup',
        act: (world) => world.restore(),
        say: 'The server was stopped, its store replaced, and started again. The row is back at generation 0. Ann’s browser still has token 2.',
      },
      REFRESH('Her token is genuine, only the server can have made it, and it is ahead of the row. So it is the database that went back, and not Ann who did anything wrong: the wheel follows.'),
    ],
    moral: 'With rotate-and-delete a restore logs out everybody who used the app since the backup. Here nobody notices but the operator, who is told.',
  },
];
