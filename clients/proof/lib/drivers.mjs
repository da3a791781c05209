// What rounds are played in, by name.

import { Chromium } from './chromium.mjs';
import { Firefox } from './firefox.mjs';
import { NodeTabs } from './node.mjs';

export const DRIVERS = { chromium: Chromium, firefox: Firefox, node: NodeTabs };
