// Pictures of the page at the end of the thief's story, as docs/ and the README show them: wide and narrow, light and dark.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBrowser } from '../lib/browser.mjs';
import { openDemo, startDemo, tellStory } from '../lib/demo.mjs';

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });

const PICTURES = [
  { name: 'thief-1600', width: 1600, height: 1000, colorScheme: 'light' },
  { name: 'thief-1600-dark', width: 1600, height: 1000, colorScheme: 'dark' },
  { name: 'thief-800', width: 800, height: 1200, colorScheme: 'light', isForLooking: true },
  { name: 'thief-360', width: 360, height: 780, colorScheme: 'light' },
  { name: 'thief-360-dark', width: 360, height: 780, colorScheme: 'dark' },
];

const demo = await startDemo();
const browser = await startBrowser();
try {
  const wanted = PICTURES.filter(({ isForLooking }) => !isForLooking || process.env.SPRAG_LOOK);
  await Promise.all(
    wanted.map(async ({ name, width, height, colorScheme }) => {
      const { page, context } = await openDemo(browser, demo.url, { viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
      await tellStory(page, 'A thief copies');
      await page.evaluate(() => document.activeElement.blur());
      // Chromium writes WebP itself, which Playwright does not offer.
      const browserItself = await context.newCDPSession(page);
      const [top, bottom] = await page.evaluate(() => {
        const place = (of) => document.querySelector(of).getBoundingClientRect();
        return [place('.telling').top + scrollY - 12, place('#fates').bottom + scrollY + 12];
      });
      // Wide, what is seen without scrolling; narrow, from the story to how it goes.
      const clip = width < 1000 ? { x: 0, y: top, width, height: bottom - top, scale: 1 } : { x: 0, y: 0, width, height, scale: 1 };
      const format = process.env.SPRAG_LOOK ? { format: 'png' } : { format: 'webp', quality: 82 };
      const { data } = await browserItself.send('Page.captureScreenshot', { ...format, clip, captureBeyondViewport: true });
      writeFileSync(join(folder, `${name}.${format.format}`), Buffer.from(data, 'base64'));
    }),
  );
} finally {
  await browser.close();
  await demo.stop();
}
