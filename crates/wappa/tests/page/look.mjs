// Looks at the page of a stream that runs, as a person would: node look.mjs PLAYWRIGHT CHROMIUM WHAT URL PICTURES
//
// Ends with 0 where all is as it should be. Where it is told to, it waits for a line on standard input.
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

const [playwright, executablePath, what, url, pictures] = process.argv.slice(2);
const { chromium } = await import(playwright);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const faults = [];
const asked = [];

const look = async () => {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => { if (message.type() === "error" && !message.text().includes("ERR_")) faults.push(message.text()); });
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(url);
  return page;
};
const shot = (page, name) => page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
const box = (page, label) => page.locator(".part", { hasText: label });
const state = (page, text) => page.locator("#state", { hasText: text }).waitFor();

const looks = {
  // Seven components, one of them slow, with some of the messages failing.
  async load() {
    const page = await look();
    await state(page, "Running");
    await page.locator(".part.bottleneck", { hasText: "slow" }).waitFor();
    await page.locator(".part.failing", { hasText: "flaky" }).waitFor();
    await page.locator(".module", { hasText: "guest" }).locator("dd", { hasText: /^[1-9]/ }).first().waitFor();
    await page.locator(".part.input .rate", { hasText: /[1-9].* \/s/ }).waitFor();
    await page.locator("#figure-read b", { hasText: /[1-9].* \/s/ }).waitFor();
    // What a message says is a text here, whatever it looks like.
    await page.locator("td.reason", { hasText: "<img src=x onerror=" }).waitFor();
    assert.equal(await page.locator("main img, .panel img").count(), 0);
    await shot(page, "load");

    // With the keyboard alone.
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    const at = () => page.evaluate(() => document.activeElement.dataset.path ?? document.activeElement.id);
    assert.equal(await at(), "root.input");
    for (const expected of ["root.pipeline.processors.0", "root.pipeline.processors.1"]) {
      await page.keyboard.press("ArrowRight");
      assert.equal(await at(), expected);
    }
    await page.keyboard.press("Enter");
    assert.equal(await at(), "panel-title");
    await page.locator("#panel", { hasText: "root.pipeline.processors.1" }).waitFor();
    await page.locator("#tap-toggle").press("Enter");
    await page.locator("#tap-messages li", { hasText: "<img src=x onerror=" }).first().waitFor();
    assert.equal(await page.locator("#panel img").count(), 0);
    await shot(page, "panel");
    await page.keyboard.press("Escape");
    assert.equal(await at(), "root.pipeline.processors.1");
    await page.locator("summary").click();
    await page.locator("#config-text", { hasText: "pipeline:" }).waitFor();

    // What a screen reader is told of a component.
    const named = await box(page, "slow").getAttribute("aria-label");
    assert.match(named, /^processor, sleep, slow, .*bottleneck$/);
    assert.equal(await page.locator("button:not([aria-label]):empty, img:not([alt])").count(), 0);

    // On a phone nothing is wider than it, and in the dark it is dark.
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.locator(".part.bottleneck").waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    const back = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.ok(back.match(/\d+/g).every((it) => it < 60), back);
    await shot(page, "phone-dark");

    // Nothing was fetched from elsewhere.
    const origin = new URL(url).origin;
    assert.deepEqual(asked.filter((it) => !it.startsWith(origin + "/") && !it.startsWith("data:")), []);
  },

  // The output is down, and comes back.
  async down() {
    const page = await look();
    await state(page, "Output not connected");
    await page.locator(".part.down", { hasText: "away" }).locator(".rate", { hasText: "not connected" }).waitFor();
    await page.locator("#failures tr", { hasText: "connection" }).waitFor();
    await page.locator("#figure-unanswered.warn", { hasText: "the oldest for" }).waitFor();
    await shot(page, "down");
    console.log("seen");
    await lines.next();
    await state(page, "Running");
    await page.locator(".part.up", { hasText: "away" }).waitFor();
  },

  // Fifty streams in one process: one whose output is down, one that has ended, one with a guest.
  async streams() {
    const page = await look();
    const rows = page.locator("#all-rows tr");
    const row = (name) => rows.filter({ has: page.getByRole("button", { name, exact: true }) });
    await page.locator("#all-said", { hasText: "50 in all · 48 running · 1 not connected · 1 ended" }).waitFor();
    assert.equal(await rows.count(), 50);
    // Those in trouble stand first.
    assert.deepEqual(await rows.locator("button").evaluateAll((all) => all.slice(0, 2).map((it) => it.textContent)), ["away", "over"]);
    await row("away").locator("td", { hasText: "Output not connected" }).waitFor();
    await row("over").locator("td", { hasText: "Ended" }).waitFor();
    await row("s07").locator("td:nth-child(3)", { hasText: /[1-9]/ }).waitFor();
    // Who has chosen none sees the one that is in trouble; the list of all has what all do together.
    await page.locator("tr.chosen", { hasText: "away" }).waitFor();
    await page.locator("#streams").selectOption({ label: "All" });
    await state(page, "1 of 50 not connected");
    await page.locator("#figure-read b", { hasText: /[1-9].* \/s/ }).waitFor();
    await page.locator("#failures td", { hasText: "guest: picky" }).waitFor();
    assert.equal(await page.locator(".part:visible, tr.chosen").count(), 0);
    await shot(page, "streams-all");
    await page.reload();
    await state(page, "1 of 50 not connected");
    // One is chosen: its graph, its numbers, its failures and no others.
    await row("s07").getByRole("button").click();
    await page.locator("tr.chosen", { hasText: "s07" }).waitFor();
    await page.locator(".part.input .rate", { hasText: /[1-9].* \/s/ }).waitFor();
    await box(page, "of_s07").waitFor();
    assert.equal(await page.locator("#failures tbody tr").count(), 0);
    assert.equal(new URL(page.url()).searchParams.get("stream"), "s07");
    await shot(page, "streams");
    await row("guest").getByRole("button").press("Enter");
    await page.locator(".module", { hasText: "picky" }).locator("dd", { hasText: /^[1-9]/ }).first().waitFor();
    await page.locator("#failures td", { hasText: "trap" }).first().waitFor();
    // Who comes back by the link sees the same one; and messages of its own, though all have the same paths.
    await page.reload();
    await state(page, "Running");
    await box(page, "picky").click();
    await page.locator("#tap-toggle").click();
    await page.locator("#tap-messages li", { hasText: "of the guest" }).first().waitFor();
    await page.keyboard.press("Escape");
    await page.locator("summary").click();
    await page.locator("#config-text", { hasText: "guest.wat" }).waitFor();
    await page.emulateMedia({ colorScheme: "dark" });
    await shot(page, "streams-dark");
    await page.setViewportSize({ width: 360, height: 740 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    await shot(page, "streams-phone");
    // One goes while somebody looks at it: another one is shown.
    await page.evaluate(async () => { const answer = await fetch("streams/guest", { method: "DELETE" }); if (!answer.ok) throw new Error(await answer.text()); });
    await page.locator("#all-said", { hasText: "49 in all" }).waitFor();
    await page.locator("tr.chosen", { hasText: "away" }).waitFor();
    assert.equal(await row("guest").count(), 0);
    const origin = new URL(url).origin;
    assert.deepEqual(asked.filter((it) => !it.startsWith(origin + "/") && !it.startsWith("data:")), []);
    // And when all are gone it says so.
    await page.evaluate(async () => { const answer = await fetch("streams", { method: "POST", body: "{}" }); if (!answer.ok) throw new Error(await answer.text()); });
    await state(page, "No stream");
    // And how one is made: as it stands there.
    const command = await page.locator("#first pre").textContent();
    await shot(page, "streams-none");
    const [, address, config] = command.match(/^curl (\S+) -d '([^']*)'$/);
    assert.equal(address, origin + "/streams/hello");
    await page.evaluate(async (config) => { const answer = await fetch("streams/hello", { method: "POST", body: config }); if (!answer.ok) throw new Error(await answer.text()); }, config);
    await page.locator(".part.input .rate", { hasText: /[1-9].* \/s/ }).waitFor();
    await state(page, "Running");
    assert.equal(await page.locator("#first").isVisible(), false);
  },

  // The program is killed under the page, and started again with another config.
  async killed() {
    const page = await look();
    await state(page, "Running");
    console.log("kill");
    await lines.next();
    await state(page, "No word from the program");
    await shot(page, "killed");
    console.log("start");
    await lines.next();
    await state(page, "Running");
    await box(page, "another").waitFor();
    assert.equal(await box(page, "before").count(), 0);
  },
};

await looks[what]();
assert.deepEqual(faults, []);
await browser.close();
process.exit(0);
