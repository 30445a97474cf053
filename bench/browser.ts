// The mark of the browser: two stacks in one worker of a page in headless Chromium, TCP bulk by the streams API.
import { Chromium } from '../test/harness/chromium.js';

/** Mbit/s. */
export async function browserBackToBack(seconds: number, isolated = false): Promise<number> {
  const chromium = await Chromium.launch();
  try {
    return await chromium.run<number>({
      module: new URL('./browser_page.js', import.meta.url), workers: [new URL('./browser_worker.js', import.meta.url)], args: seconds, isolated, timeoutMs: 30000 + seconds * 1000,
    });
  } finally {
    await chromium.close();
  }
}
