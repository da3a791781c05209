// The page of `sprag demo --page`, in a browser: each story clicked through to its end and read, once with the keyboard alone, and
// looked at by axe-core in both schemes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequire } from 'node:module';
import { startBrowser } from '../lib/browser.mjs';
import { continueStory, fate, openDemo, rows, startDemo, tellStory } from '../lib/demo.mjs';

/** Far beyond what they need: stories wait in earnest, and a log-in may have to wait for the machine. */
const SCENE_MS = 300_000;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

// Whoever started this holds our standard input; when they are gone we go too, and what we started with us.
if (process.env.SPRAG_TEST_IS_TIED) process.stdin.on('end', () => process.exit(1)).resume().unref();

const written = [];

function scene(name, act) {
  written.push({ name, act });
}

const IN = 'Ann is logged in';
const OUT = 'Ann is thrown out';

/** A story from its first step to its moral, with no error in the browser. */
async function told({ browser, demo }, title) {
  const opened = await openDemo(browser, demo.url);
  await tellStory(opened.page, title);
  const text = await opened.page.locator('#told').innerText();
  assert.deepEqual(opened.troubles, []);
  return { ...opened, text };
}

scene('the first story shows the wheel turn, and the spent token stay spent', async (stage) => {
  const { page, text } = await told(stage, 'The wheel turns');
  assert.deepEqual(await rows(page), ['logged in', '14', '14']);
  assert.match(text, /token 0 is spent for good/);
  assert.equal(await page.locator('#wheel .generation').textContent(), '2');
  assert.match(await page.locator('#wheel svg').getAttribute('aria-label'), /generation 2/);
  assert.match(await page.locator('#timeline svg').getAttribute('aria-label'), /Refresh token 2 is good/);
  assert.equal((await fate(page, 'sprag'))[0], IN);
  assert.equal((await fate(page, 'plain'))[0], IN);
});

scene('an answer that is lost is given again, where rotate-and-delete throws Ann out', async (stage) => {
  const { page, text } = await told(stage, 'An answer gets lost');
  assert.deepEqual(await rows(page), ['logged in', '14', '8']);
  assert.match(text, /same retry id/);
  assert.equal((await fate(page, 'sprag'))[0], IN);
  assert.equal((await fate(page, 'plain'))[0], OUT);
});

scene('two tabs refresh at once and go on with one token', async (stage) => {
  const { page } = await told(stage, 'Two tabs at once');
  const decided = await rows(page);
  // They are told as their answers come, and of two that come at one moment either may be the first.
  const others = decided.slice(1, 3).filter((row) => row !== '14');
  assert.equal(others.length, 1, decided.join());
  assert.ok(['8', '9', '13'].includes(others[0]), decided.join());
  assert.equal(await page.locator('.tab[data-state="signed-in"]').count(), 2);
  assert.equal((await fate(page, 'plain'))[0], OUT);
});

scene('a late answer takes nothing away from the tab that was answered first', async (stage) => {
  const { page } = await told(stage, 'A slow answer');
  const decided = await rows(page);
  assert.equal(decided[1], '14');
  assert.ok(['8', '9', '13'].includes(decided[2]), decided.join());
  assert.equal((await fate(page, 'sprag'))[0], IN);
  assert.equal((await fate(page, 'plain'))[0], OUT);
});

scene('after a long time offline the lost answer is asked for again', async (stage) => {
  const { page } = await told(stage, 'Offline for an hour');
  const decided = await rows(page);
  assert.deepEqual(decided.slice(0, 3), ['logged in', '14', '14']);
  assert.equal(decided.at(-1), '8');
  assert.ok(decided.includes('nothing was sent'), decided.join());
  assert.equal((await fate(page, 'sprag'))[0], IN);
  assert.equal((await fate(page, 'plain'))[0], OUT);
});

scene('a thief gets one refresh, and then both are out and it is noticed; the plain server keeps the thief', async (stage) => {
  const { page, text } = await told(stage, 'A thief copies');
  const decided = await rows(page);
  assert.deepEqual(decided.slice(0, 4), ['logged in', '14', '14', '10']);
  assert.deepEqual(new Set(decided.slice(4)), new Set(['5']));
  assert.match(text, /the server cannot know which/);
  const [ann, thief, noticed] = await fate(page, 'sprag');
  assert.equal(ann, 'Ann must log in again');
  assert.equal(thief, 'The thief is out');
  assert.match(noticed, /Noticed/);
  assert.deepEqual(await fate(page, 'plain'), [OUT, 'The thief is in', 'Nobody is told of anything']);
  assert.equal(await page.locator('#wheel').getAttribute('data-state'), 'ended');
});

scene('after a restored backup the session goes on, where rotate-and-delete throws Ann out', async (stage) => {
  const { page } = await told(stage, 'A backup is restored');
  assert.deepEqual(await rows(page), ['logged in', 'backup made', '14', '14', 'backup restored', '6']);
  assert.equal((await fate(page, 'sprag'))[0], IN);
  assert.equal((await fate(page, 'plain'))[0], OUT);
  assert.equal(await page.locator('#wheel .generation').textContent(), '3');
});

scene('the visitor does it all by hand: log in, tabs, offline, a lost answer, log out', async ({ browser, demo }) => {
  const { page, troubles } = await openDemo(browser, demo.url);
  const press = (name, within = page) => within.getByRole('button', { name, exact: true }).click();
  await press('Log in');
  await page.waitForSelector('.tab[data-state="signed-in"]', { timeout: 120_000 });
  await press('Open another tab');
  const two = page.getByRole('group', { name: 'Tab 2' });
  await press('Lose the next answer', two);
  assert.equal(await two.getByRole('button', { name: 'Lose the next answer' }).getAttribute('aria-pressed'), 'true');
  await press('Refresh', two);
  await page.getByText('same answer again').waitFor();
  await press('Offline', two);
  await press('Refresh', two);
  await page.getByText('nothing was sent').first().waitFor();
  await press('Log out');
  await page.getByText('because she logged out').waitFor();
  assert.deepEqual(troubles, []);
});

scene('the keyboard alone is enough', async ({ browser, demo }) => {
  const { page } = await openDemo(browser, demo.url);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.keyboard.press('Enter');
  const chosen = () => page.evaluate(() => document.activeElement.className === 'choice' && document.activeElement.textContent);
  for (let pressed = 0; !/An answer gets lost/.test(await chosen()); pressed += 1) {
    assert.ok(pressed < 5, 'the stories come soon');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  for (let pressed = 0; (await page.evaluate(() => document.activeElement.id)) !== 'next'; pressed += 1) {
    assert.ok(pressed < 12, 'the button that goes on comes soon');
    await page.keyboard.press('Tab');
  }
  await continueStory(page, () => page.keyboard.press('Enter'));
  assert.equal(await page.evaluate(() => document.activeElement.id), 'next', 'the focus stays where it is');
  assert.deepEqual(await rows(page), ['logged in', '14', '8']);
  // Every button can be reached, and the focus is seen on each.
  const reached = new Set();
  for (let pressed = 0; pressed < 60; pressed += 1) {
    await page.keyboard.press('Tab');
    const { id, outline } = await page.evaluate(() => {
      const { activeElement: element } = document;
      // Behind the last one is the browser's own bar, as which the page itself stands here.
      return { id: element === document.body ? '' : element.id || element.textContent, outline: getComputedStyle(element).outlineStyle };
    });
    if (id === '' || reached.has(id)) break;
    if (id !== 'story') assert.notEqual(outline, 'none', id);
    reached.add(id);
  }
  for (const id of ['log-in', 'open-tab', 'refresh-all', 'log-out', 'copy', 'use', 'back-up', 'restore', 'verdicts']) {
    assert.ok(reached.has(id), `${id}: ${[...reached].join()}`);
  }
});

scene('axe finds nothing wrong, light or dark, small or large, and nothing is cut off', async ({ browser, demo }) => {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 1600]) {
      const { page, context } = await openDemo(browser, demo.url, { colorScheme, viewport: { width, height: 800 }, bypassCSP: true });
      await tellStory(page, 'An answer gets lost');
      await page.addScriptTag({ path: AXE });
      const found = await page.evaluate(() => window.axe.run());
      const faults = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
      assert.deepEqual(faults, [], `${colorScheme}, ${width}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(overflow <= 0, `${overflow} pixels too wide at ${width}`);
      await context.close();
    }
  }
});

scene('nobody else is asked for anything, and the policy lets nobody', async (stage) => {
  const { asked, page } = await told(stage, 'An answer gets lost');
  const origin = stage.demo.url.slice(0, -1);
  assert.deepEqual(asked.filter((url) => !url.startsWith(`${origin}/`)), []);
  const { headers } = await fetch(stage.demo.url);
  assert.match(headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';/);
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    return window.ran === true;
  });
  assert.equal(ran, false);
});

scene('Ctrl-C ends it, and nothing is left behind', async ({ demo, browser }) => {
  assert.equal((await demo.leavings()).length, 1, 'its store is in a folder of its own');
  assert.match(demo.said(), /Ctrl-C ends it/);
  await openDemo(browser, demo.url);
  assert.deepEqual(await demo.interrupt(), { code: 0, signal: null });
  assert.deepEqual(await demo.leavings(), []);
});

test('demo', { concurrency: 3 }, async (whole) => {
  const browser = await startBrowser();
  try {
    await Promise.all(
      written.map(({ name, act }) =>
        whole.test(name, { timeout: SCENE_MS }, async () => {
          const demo = await startDemo();
          try {
            await act({ browser, demo });
          } finally {
            await demo.stop();
          }
        }),
      ),
    );
  } finally {
    await browser.close();
  }
});
