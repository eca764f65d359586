"use strict";
// What is shown comes from events; every text of it is put where texts are, and nowhere is it read as markup.
const at = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, call] of Object.entries(value)) element.addEventListener(event, call);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((it) => it !== null && it !== undefined));
  return element;
};
const drawn = (tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
// Writes only what is new, so that a screen reader and a selection are left alone.
const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

const count = (n) => {
  if (n === undefined) return "–";
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (n >= size) { const it = n / (unit === "k" ? 1e3 : size); return (it < 10 ? it.toFixed(2) : it < 100 ? it.toFixed(1) : it.toFixed(0)) + " " + unit; }
  }
  return n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toFixed(n < 10 ? 1 : 0);
};
const time = (ns) => {
  if (ns === undefined) return "–";
  for (const [size, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]]) {
    if (ns >= size) { const it = ns / size; return (it < 10 ? it.toFixed(1) : it.toFixed(0)) + " " + unit; }
  }
  return Math.round(ns) + " ns";
};
const span = (seconds) => seconds < 120 ? seconds + " s" : seconds < 7200 ? Math.floor(seconds / 60) + " min" : Math.floor(seconds / 3600) + " h";
const size = (bytes) => {
  if (bytes === undefined) return "–";
  for (const [unit, name] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) if (bytes >= unit) return (bytes / unit).toFixed(bytes / unit < 10 ? 1 : 0) + " " + name;
  return bytes + " B";
};
const share = (it) => it === undefined ? "–" : Math.round(it * 100) + " %";

const pictures = new Map();
const history = new Map();
const SEEN = 120;
let look = null;
// Who comes by a link sees the stream that it names, or with an empty name the list of all; without one the program has one in
// trouble shown, if there is any.
let asked = new URLSearchParams(location.search).get("stream");
// What is shown. Empty: the only stream of a process that has no more, or the list of all.
let chosen = asked ?? "";
let events = null;
let opened = null;
let boxes = new Map();
let lines = [];
let drawnPicture = null;
let lastWord = 0;

// Of one stream everything is told, and of all others the sums.
const part = (path) => look?.parts[path];
const streamNow = () => look?.streams.find((it) => it.name === chosen);
const isList = () => look.many && chosen === "";
const outermost = (kind) => {
  const all = Object.entries(look.parts).filter((it) => it[1].kind === kind);
  const root = all.find((it) => it[0] === "root." + kind);
  return root ? [root[1]] : all.map((it) => it[1]);
};
const sum = (all, name) => {
  const known = all.filter((it) => it[name] !== undefined);
  return known.length ? known.reduce((sum, it) => sum + it[name], 0) : undefined;
};
const failing = () => Object.values(look.parts).filter((it) => it.kind !== "input");

// What holds the stream up: an end without its connection, or who is at work nearly all of the time.
function bottleneck(stream) {
  if (!stream || stream.state !== "running") return null;
  let most = null;
  for (const [path, it] of Object.entries(look.parts)) {
    if (it.busy === undefined || it.kind === "buffer") continue;
    // What is around others is as busy as they are together.
    const inner = Object.keys(look.parts).some((other) => other.startsWith(path + "."));
    if (inner) continue;
    const busy = it.kind === "processor" ? it.busy / stream.threads : it.busy;
    if (busy >= 0.6 && (!most || busy > most.busy)) most = { path, busy };
  }
  return most?.path ?? null;
}

function state(stream) {
  if (!stream) return stateOfAll();
  if (stream.state === "starting") return ["warn", "Starting"];
  if (stream.state === "ended") return ["warn", "Ended"];
  const ends = (kind) => stream.down.filter((it) => it.startsWith("root." + kind)).length;
  if (ends("output") && ends("input")) return ["bad", "Input and output not connected"];
  if (ends("output")) return ["bad", "Output not connected"];
  if (ends("input")) return ["bad", "Input not connected"];
  if (stream.down.length) return ["bad", "Not connected"];
  return ["good", "Running"];
}

function stateOfAll() {
  const all = look.streams;
  if (!all.length) return ["warn", "No stream"];
  const down = all.filter((it) => state(it)[0] === "bad").length;
  if (down) return ["bad", `${down} of ${all.length} not connected`];
  const running = all.filter((it) => it.state === "running").length;
  return running === all.length ? ["good", "All running"] : ["warn", `${running} of ${all.length} running`];
}

function showState() {
  const [level, text] = state(streamNow());
  at("state").className = "state " + level;
  write(at("state"), text);
  document.title = (chosen ? chosen + ": " : "") + text + " · Wappa";
  write(at("process"), `Version ${look.version} · memory ${size(look.memory)} · CPU ${share(look.cpu)}`);
}

function figure(id, name, value, small, level) {
  let box = at("figure-" + id);
  if (!box) {
    box = make("div", { id: "figure-" + id }, make("span", { text: name }), make("b"), make("small"));
    at("figures").append(box);
  }
  box.className = "figure" + (level ? " " + level : "");
  write(box.children[1], value);
  write(box.children[2], small);
  return box;
}

function showFigures() {
  const stream = streamNow();
  const of = stream ? figuresOf(stream) : figuresOfAll();
  at("figures").hidden = !stream && !look.streams.length;
  if (at("figures").hidden) return;
  const wide = figure("read", "Read", count(of.read) + " /s", of.n_read === undefined ? "all streams together" : count(of.n_read) + " in all", "wide");
  spark(wide, history.get(chosen) ?? []);
  figure("written", "Written", count(of.written) + " /s", of.n_written === undefined ? "all streams together" : count(of.n_written) + " in all");
  figure("failed", "Failures", count(of.failing) + " /s", count(of.failed) + " in all", of.failing > 0 ? "bad" : "");
  figure("latency", "From read to answered", time(of.latency?.p50), "99 % within " + time(of.latency?.p99)).hidden = !stream;
  const oldest = of.oldest === undefined ? "waiting" : "the oldest for " + span(of.oldest);
  figure("unanswered", "Unanswered", count(of.unanswered), of.unanswered ? oldest : "nothing waits", of.oldest >= 10 ? "warn" : "");
}

function figuresOf(stream) {
  const [inputs, outputs, fails] = [outermost("input"), outermost("output"), failing()];
  return {
    read: sum(inputs, "in"), n_read: sum(inputs, "n") ?? 0, written: sum(outputs, "out"), n_written: sum(outputs, "n") ?? 0,
    failing: sum(fails, "failing") ?? 0, failed: sum(fails, "failed") ?? 0, latency: inputs.find((it) => it.p50 !== undefined),
    unanswered: sum(inputs, "unanswered") ?? 0, oldest: stream.oldest?.seconds,
  };
}

function figuresOfAll() {
  const all = look.streams;
  const ages = all.map((it) => it.oldest?.seconds).filter((it) => it !== undefined);
  return {
    read: sum(all, "read"), written: sum(all, "written"), failing: sum(all, "failing") ?? 0, failed: sum(all, "failed") ?? 0,
    unanswered: sum(all, "unanswered") ?? 0, oldest: ages.length ? Math.max(...ages) : undefined,
  };
}

function spark(box, past) {
  const [width, height] = [SEEN - 1, 100];
  const top = Math.max(...past, 1);
  const points = past.map((it, index) => `${SEEN - past.length + index} ${(height - it / top * 88).toFixed(1)}`);
  let svg = box.querySelector("svg");
  if (!svg) {
    svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(drawn("path", {}));
    box.append(svg);
  }
  const begin = SEEN - past.length;
  svg.firstChild.setAttribute("d", points.length > 1 ? `M${begin} ${height + 4} L${points.join(" L")} L${SEEN} ${height + 4} Z` : "");
}

// Draws boxes once for each picture; numbers are written into them.
function draw() {
  at("flow").hidden = look.many && !streamNow();
  const picture = pictures.get(chosen);
  if (picture === drawnPicture) return;
  drawnPicture = picture;
  const focused = document.activeElement?.dataset?.path;
  boxes = new Map();
  lines = [];
  const graph = at("graph");
  graph.replaceChildren();
  if (!picture || !picture.parts.length) {
    graph.append(make("p", { class: "empty", text: "Nothing to be drawn of this stream." }));
    return;
  }
  const canvas = make("div", { class: "canvas", role: "group", "aria-label": "Components, in the order of messages" });
  canvas.style.width = picture.w + "px";
  canvas.style.height = picture.h + "px";
  const svg = drawn("svg", { width: picture.w, height: picture.h, "aria-hidden": "true" });
  for (const way of picture.ways) {
    const line = drawn("path", { d: way.line, class: way.use ? "way use" : "way" });
    svg.append(line);
    lines.push([way, line]);
    if (way.text) { const text = drawn("text", { x: way.x, y: way.y }); text.textContent = way.text; svg.append(text); }
  }
  canvas.append(svg);
  // Those of the stream in its order, what they use behind them.
  const order = [...picture.parts].sort((one, other) => (one.role === "resource") - (other.role === "resource"));
  for (const it of order) {
    if (it.role === "more") { const more = make("p", { class: "part", text: it.name }); place(more, it, picture.part); canvas.append(more); continue; }
    const box = make("button", { type: "button", class: "part " + it.role, "data-path": it.path, "aria-expanded": "false", on: { click: () => open(it, box) } },
      make("span", { class: "name", text: it.name }), make("span", { class: "dot" }),
      make("span", { class: "label", text: it.label }), make("span", { class: "rate" }), make("span", { class: "more" }),
      make("span", { class: "load" }, make("i")));
    place(box, it, picture.part);
    canvas.append(box);
    boxes.set(it.path, [it, box]);
  }
  canvas.addEventListener("keydown", move);
  graph.append(canvas);
  fit();
  if (focused && boxes.has(focused)) boxes.get(focused)[1].focus();
}

// As much of it as the window has room for, as long as it can be read.
function fit() {
  const canvas = at("graph").querySelector(".canvas");
  const picture = pictures.get(chosen);
  if (!canvas || !picture) return;
  // In a narrow window they stand below each other.
  canvas.style.zoom = innerWidth <= 720 ? 1 : Math.max(0.75, Math.min(1.15, (at("graph").clientWidth - 4) / picture.w));
}

function place(box, it, height) {
  Object.assign(box.style, { left: it.x + "px", top: it.y + "px", width: it.w + "px", height: height + "px" });
}

// Arrows lead from box to box, as the eye goes.
function move(event) {
  const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const way = keys[event.key];
  const from = boxes.get(event.target.dataset?.path)?.[0];
  if (!way || !from) return;
  let best = null;
  for (const [it, box] of boxes.values()) {
    const [x, y] = [it.x - from.x, it.y - from.y];
    const ahead = x * way[0] + y * way[1];
    if (ahead <= 0) continue;
    const distance = ahead + 3 * Math.abs(way[0] ? y : x);
    if (!best || distance < best.distance) best = { distance, box };
  }
  if (best) { event.preventDefault(); best.box.focus(); }
}

function showNumbers() {
  const stream = streamNow();
  const slow = bottleneck(stream);
  const down = new Set(stream?.down ?? []);
  const fresh = new Set(look.failures.filter((it) => it.age < 10000).map((it) => it.path));
  for (const [path, [it, box]] of boxes) {
    const now = part(path);
    const isEnd = now && (now.kind === "input" || now.kind === "output");
    const isDown = down.has(path);
    box.classList.toggle("down", isDown);
    box.classList.toggle("up", Boolean(isEnd && !isDown && stream?.state === "running"));
    box.classList.toggle("failing", !isDown && now !== undefined && now.kind !== "input" && (now.failing > 0 || fresh.has(path)));
    box.classList.toggle("bottleneck", path === slow && !isDown);
    const [rate, more] = [box.querySelector(".rate"), box.querySelector(".more")];
    const fails = now && now.kind !== "input" ? now.failed : 0;
    write(rate, isDown ? "not connected" : now ? count(now.kind === "input" ? now.in : now.out) + " /s" : "");
    const isSlow = path === slow && !isDown;
    write(more, isSlow ? "bottleneck" : fails ? count(fails).replace(" ", "\u00a0") + " failed" : now?.held !== undefined ? size(now.held) : now?.p99 !== undefined ? time(now.p99) : "");
    more.className = isSlow ? "more slow" : fails ? "more fails" : "more";
    const busy = now?.busy === undefined || now.kind === "buffer" ? 0 : now.kind === "processor" ? now.busy / (stream?.threads || 1) : now.busy;
    box.querySelector(".load i").style.width = Math.min(100, busy * 100) + "%";
    box.setAttribute("aria-label", [it.role, it.name, it.label, rate.textContent, fails ? count(fails) + " failed" : "", path === slow ? "bottleneck" : ""].filter(Boolean).join(", "));
  }
  const picture = pictures.get(chosen);
  for (const [way, line] of lines) {
    if (way.use) continue;
    const path = way.to === undefined ? null : picture.parts[way.to]?.path;
    const now = path ? part(path) : null;
    const rate = now ? now.in ?? 0 : 0;
    line.classList.toggle("busy", rate > 0);
  }
}

function showModules() {
  const all = look.modules;
  at("modules-section").hidden = !all.length;
  const list = at("modules");
  const cards = new Map([...list.children].map((it) => [it.dataset.key, it]));
  const kept = all.map((it) => {
    const key = it.path + it.sha256;
    const card = cards.get(key) ?? make("li", { class: "module", "data-key": key }, make("h3", { text: it.label || it.path }), make("code", { text: "sha256 " + it.sha256.slice(0, 16) }), make("dl"));
    const fails = Object.entries(it.failed);
    const rows = [
      ["Calls", count(it.calls) + " /s"], ["Half of the messages within", time(it.p50)], ["99 % within", time(it.p99)],
      ["Instances", `${it.instances}, ${count(it.made)} made`], ["Memory of one, at most", size(it.memory)],
      ...(it.lost ? [["Replaced with their state", count(it.lost)]] : []),
      ...Object.entries(it.recycled).map(([why, n]) => ["Recycled, " + why, count(n)]),
      ...(it.reloaded ? [["Reloaded", count(it.reloaded)]] : []),
      ...(it.reload_failed ? [["Reloads that failed", count(it.reload_failed), "bad"]] : []),
      ...(it.compiled ? [["Compiled in", time(it.compiled)]] : []),
      ...fails.map(([kind, n]) => ["Failed, " + kind, count(n), "bad"]),
    ];
    fill(card.lastChild, rows);
    return card;
  });
  if (kept.length !== list.children.length || kept.some((it, index) => it !== list.children[index])) list.replaceChildren(...kept);
}

function fill(list, rows) {
  while (list.children.length > rows.length * 2) list.lastChild.remove();
  rows.forEach(([name, value, level], index) => {
    if (!list.children[index * 2]) list.append(make("dt"), make("dd"));
    write(list.children[index * 2], name);
    write(list.children[index * 2 + 1], value);
    list.children[index * 2 + 1].className = level ?? "";
  });
}

const ago = (ms) => ms < 2000 ? "now" : span(Math.round(ms / 1000)) + " ago";

function showFailures() {
  const box = at("failures");
  at("failures-section").hidden = look.many && !look.streams.length;
  const isSome = look.failures.length > 0;
  if (!isSome) {
    if (!box.querySelector(".none")) box.replaceChildren(make("p", { class: "none empty", text: "Nothing has failed." }));
    return;
  }
  let body = box.querySelector("tbody");
  if (!body) {
    const heads = ["When", "Where", "Kind", "How often", "Last reason"].map((it) => make("th", { scope: "col", text: it }));
    body = make("tbody");
    box.replaceChildren(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of failures" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body)));
  }
  const shown = look.failures.slice(0, 20);
  while (body.children.length > shown.length) body.lastChild.remove();
  shown.forEach((it, index) => {
    const row = body.children[index] ?? body.appendChild(make("tr", {}, ...[0, 1, 2, 3, 4].map(() => make("td"))));
    const reason = it.reason ?? "shown on the machine itself, or with a password";
    const where = (isList() ? it.stream + ": " : "") + (it.label || it.path.replace(/^root\./, ""));
    [ago(it.age), where, it.kind, count(it.n), reason].forEach((text, column) => write(row.children[column], text));
    row.children[4].className = "reason";
  });
}

// Those in trouble first: whoever looks at fifty streams looks for these.
const LEVELS = ["bad", "warn", "good"];
function showStreams() {
  at("pick").hidden = at("all").hidden = !look.many || !look.streams.length;
  write(at("flow-of"), chosen);
  showFirst();
  if (at("all").hidden) return;
  const states = new Map(look.streams.map((it) => [it.name, state(it)]));
  const rank = (it) => LEVELS.indexOf(states.get(it.name)[0]) + (it.failing > 0 ? 0 : 0.5);
  const all = [...look.streams].sort((one, other) => rank(one) - rank(other));
  const n = (level) => all.filter((it) => states.get(it.name)[0] === level).length;
  const ended = all.filter((it) => it.state === "ended").length;
  write(at("all-said"), [`${all.length} in all`, `${n("good")} running`, n("bad") ? `${n("bad")} not connected` : "", ended ? `${ended} ended` : ""].filter(Boolean).join(" · "));
  const select = at("streams");
  const names = look.streams.map((it) => it.name).join("\n");
  if (select.dataset.names !== names) {
    select.dataset.names = names;
    select.replaceChildren(make("option", { value: "", text: "All" }), ...look.streams.map((it) => make("option", { value: it.name, text: it.name })));
  }
  if (document.activeElement !== select) select.value = chosen;
  const body = at("all-rows");
  while (body.children.length > all.length) body.lastChild.remove();
  all.forEach((it, index) => {
    const row = body.children[index] ?? body.appendChild(make("tr", {}, make("td", {}, make("button", { type: "button", on: { click: (event) => choose(event.target.textContent) } })), make("td", {}, make("span", {})), ...[2, 3, 4, 5, 6].map(() => make("td"))));
    row.className = it.name === chosen ? "chosen" : "";
    write(row.children[0].firstChild, it.name);
    if (it.name === chosen) row.children[0].firstChild.setAttribute("aria-current", "true");
    else row.children[0].firstChild.removeAttribute("aria-current");
    const [level, text] = states.get(it.name);
    row.children[1].firstChild.className = "mini " + level;
    write(row.children[1].firstChild, text);
    const values = [count(it.read), count(it.written), count(it.failed), count(it.unanswered), it.oldest ? span(it.oldest.seconds) : "–"];
    values.forEach((value, column) => write(row.children[column + 2], value));
    row.children[4].className = it.failing > 0 ? "bad" : "";
  });
}

// How a first stream is made, by whoever may.
const FIRST = `input: { generate: { interval: 100ms, mapping: "root.n = counter()" } }
pipeline: { processors: [ { mapping: "root.square = this.n * this.n" } ] }
output: { drop: {} }`;
function showFirst() {
  at("first").hidden = !look.many || look.streams.length > 0;
  const wanted = `${look.api} ${look.trusted}`;
  if (at("first").hidden || at("first-steps").dataset.of === wanted) return;
  at("first-steps").dataset.of = wanted;
  const folder = make("p", {}, "A folder of configs is streams as well: ", make("code", { text: "wappa streams FOLDER" }), ".");
  if (!look.api) return at("first-steps").replaceChildren(make("p", { text: "This program runs without the API (--no-api), so streams come from files alone." }), folder);
  const here = new URL("streams/hello", document.baseURI);
  if (!look.trusted) here.hostname = "localhost";
  at("first-steps").replaceChildren(
    make("p", { text: look.trusted ? "Make one from a terminal; it is here a second later:" : "Make one from a terminal of the machine itself, or with the password; it is here a second later:" }),
    make("pre", { tabindex: "0", text: `curl ${here.href} -d '\n${FIRST}\n'` }),
    make("p", {}, "It goes again with ", make("code", { text: `curl -X DELETE ${here.href}` }), ". Where a password is set, both take ", make("code", { text: "-u NAME" }), "."),
    folder,
  );
}

function choose(name) {
  close();
  at("config").open = false;
  chosen = asked = name;
  const address = new URL(location.href);
  address.searchParams.set("stream", name);
  window.history.replaceState(null, "", address);
  // What comes from here on is of that one; until then nothing is shown of another one under its name.
  connect();
}

function open(it, box) {
  stopTap();
  const again = opened?.path === it.path;
  close();
  if (again) return;
  opened = it;
  box.setAttribute("aria-expanded", "true");
  write(at("panel-title"), it.label ? `${it.label} (${it.name})` : it.name);
  at("panel-body").replaceChildren(make("p", { class: "path", text: it.path }), make("dl"), make("div"));
  at("tap").hidden = !(look.debug && look.trusted) || it.role === "resource";
  at("tap-messages").replaceChildren();
  at("panel").hidden = false;
  showPanel();
  at("panel-title").focus();
}

function close() {
  stopTap();
  if (!opened) return;
  const box = boxes.get(opened.path)?.[1];
  opened = null;
  at("panel").hidden = true;
  box?.setAttribute("aria-expanded", "false");
  box?.focus();
}

function showPanel() {
  if (!opened) return;
  const now = part(opened.path);
  const rows = [];
  if (now) {
    rows.push(["In", count(now.in) + " /s"], ["Out", count(now.out) + " /s"], ["Messages in all", now.n.toLocaleString("en")],
      [now.kind === "input" ? "Replayed" : "Failed", now.failed.toLocaleString("en"), now.failed && now.kind !== "input" ? "bad" : ""],
      ["Half of them within", time(now.p50)], ["99 % within", time(now.p99)]);
    if (now.busy !== undefined && now.kind === "processor") rows.push(["Threads at work in it", now.busy.toFixed(2)]);
    if (now.unanswered !== undefined) rows.push(["Unanswered", now.unanswered.toLocaleString("en")]);
  }
  const [, list, reasons] = at("panel-body").children;
  fill(list, rows);
  const mine = look.failures.filter((it) => it.path === opened.path);
  const texts = mine.map((it) => `${ago(it.age)}, ${count(it.n)} × ${it.kind}${it.reason ? "\n" + it.reason : ""}`);
  while (reasons.children.length > texts.length) reasons.lastChild.remove();
  texts.forEach((text, index) => write(reasons.children[index] ?? reasons.appendChild(make("p", { class: "reason" })), text));
}

// Messages as they pass, a few in a second, as long as the panel is open.
let tapping = null;
async function startTap() {
  const stop = new AbortController();
  tapping = stop;
  write(at("tap-toggle"), "Stop");
  write(at("tap-said"), "waiting for messages");
  try {
    const answer = await fetch(`debug/tap?rate=4&path=${encodeURIComponent(opened.path)}&stream=${encodeURIComponent(chosen)}`, { signal: stop.signal });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { done, value } = await reader.read();
      if (done) break;
      const all = (rest + value).split("\n");
      rest = all.pop();
      for (const line of all) if (line) showMessage(JSON.parse(line));
    }
    write(at("tap-said"), "the program has ended it");
  } catch (error) {
    if (!stop.signal.aborted) write(at("tap-said"), String(error.message || error));
  }
  if (tapping === stop) { tapping = null; write(at("tap-toggle"), "Look at messages"); }
}
function stopTap() {
  tapping?.abort();
  tapping = null;
  write(at("tap-toggle"), "Look at messages");
  write(at("tap-said"), "");
}
function showMessage(seen) {
  if (seen.dropped) return;
  write(at("tap-said"), "");
  const text = seen.content ?? "base64: " + seen.content_base64;
  const metadata = Object.entries(seen.metadata ?? {}).map(([name, value]) => `${name}: ${value}`);
  const more = [...(seen.error ? ["failed: " + seen.error] : []), ...metadata];
  at("tap-messages").prepend(make("li", { text: text.slice(0, 4000) }, ...more.map((it) => make("small", { text: it.slice(0, 1000) }))));
  while (at("tap-messages").children.length > 30) at("tap-messages").lastChild.remove();
}

async function showConfig() {
  if (!at("config").open) return;
  try {
    // Of several each has one of its own, and shows it where there is the API.
    const answer = await fetch(chosen ? "streams/" + encodeURIComponent(chosen) : "debug/config/yaml");
    const text = await answer.text();
    write(at("config-text"), chosen && answer.ok ? JSON.stringify(JSON.parse(text).config, null, 2) : text);
  } catch (error) {
    write(at("config-text"), String(error.message || error));
  }
}

function show() {
  if (!look) return;
  // The program shows another one where the one that was chosen is gone.
  if (look.stream !== chosen) { close(); chosen = look.stream; }
  document.body.classList.toggle("list", isList());
  at("skip").href = isList() ? "#all" : "#graph";
  showStreams();
  showState();
  showFigures();
  draw();
  showNumbers();
  showModules();
  showFailures();
  showPanel();
  at("config").hidden = !(look.debug && look.trusted) || (look.many && !streamNow());
}

function connect() {
  events?.close();
  const mine = events = new EventSource("-/live" + (asked === null ? "" : "?stream=" + encodeURIComponent(asked)));
  mine.addEventListener("picture", (event) => { const it = JSON.parse(event.data); pictures.clear(); pictures.set(it.stream, it); });
  mine.addEventListener("look", (event) => {
    look = JSON.parse(event.data);
    lastWord = Date.now();
    document.body.classList.remove("lost");
    const rates = new Map(look.streams.map((it) => [it.name, it.read]));
    if (look.many) rates.set("", sum(look.streams, "read"));
    for (const [name, rate] of rates) {
      const past = history.get(name) ?? [];
      if (rate !== undefined) past.push(rate);
      if (past.length > SEEN) past.shift();
      history.set(name, past);
    }
    for (const name of [...history.keys()]) if (!rates.has(name)) history.delete(name);
    show();
  });
  mine.addEventListener("error", () => {
    // Another process may answer at the next attempt, with other streams.
    if (mine.readyState === EventSource.CLOSED && mine === events) setTimeout(() => mine === events && connect(), 2000);
  });
}

// Whoever looks has to see that what he sees is old.
setInterval(() => {
  if (Date.now() - lastWord < 3500 && lastWord) return;
  document.body.classList.add("lost");
  at("state").className = "state bad";
  write(at("state"), lastWord ? "No word from the program for " + span(Math.round((Date.now() - lastWord) / 1000)) : "Waiting for the program");
  document.title = "No word · Wappa";
}, 1000);
addEventListener("resize", fit);
at("streams").addEventListener("change", (event) => choose(event.target.value));
at("panel-close").addEventListener("click", close);
at("tap-toggle").addEventListener("click", () => tapping ? stopTap() : startTap());
at("config").addEventListener("toggle", showConfig);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
connect();
