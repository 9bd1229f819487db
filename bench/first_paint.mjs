// When a browser that has never been here first shows the page, by its own clock: Chromium, no cache, ten visits.
//   node bench/first_paint.mjs http://127.0.0.1:7860 [VISITS]
import { createRequire } from "node:module";

const require = createRequire(new URL("../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const [url = "http://127.0.0.1:7860", visits = "10"] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath: process.env.GREENROOM_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu"],
});
const times = { "first-paint": [], "first-contentful-paint": [], "the models are there": [] };
for (let i = 0; i < Number(visits); i++) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${url}/`);
  await page.locator("li.model, .welcome").first().waitFor();
  times["the models are there"].push(await page.evaluate(() => performance.now()));
  for (const { name, startTime } of await page.evaluate(() => performance.getEntriesByType("paint").map((entry) => entry.toJSON()))) {
    times[name]?.push(startTime);
  }
  await context.close();
}
await browser.close();
for (const [name, all] of Object.entries(times)) {
  all.sort((a, b) => a - b);
  const at = (share) => all[Math.floor(share * (all.length - 1))]?.toFixed(0);
  console.log(`${name}: median ${at(0.5)} ms, from ${at(0)} to ${at(1)} ms (${all.length} visits)`);
}
