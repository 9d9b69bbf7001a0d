// The page of `darkroom serve`. Images go to this server, answers and corrections stay in the browser.

const AT_ONCE = 4; // images that are being sent
const BROAD = 2.5; // of width to height: a drawing of this shape is no drawing any more in a small square
const SHOWN = 5; // classes of an image that are not folded
const MAX_TRIES = 60; // of an image while the server has too much to do
const ORANGE = [255, 115, 0], OPACITY = 0.7; // of what spoke for a class, as in the report

const find = (id) => document.getElementById(id);
const items = []; // in the order of the list
let model = { classes: [], max_bytes: Infinity };
let token = sessionStorage.getItem("darkroom-token") || "";
let nSending = 0, nPasted = 0, nKnocking = 0;

// ---- asking the server

async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The server cannot be reached. Is it running?");
  }
  if (response.status === 401) {
    openDoor(token ? "That is not the token of this server." : "");
    throw Object.assign(new Error("The server asks for its token."), { isDoor: true });
  }
  const said = await response.json().catch(() => ({}));
  if (response.status === 503) {
    throw Object.assign(new Error(said.detail), { retry_s: Number(response.headers.get("Retry-After")) || 1 });
  }
  if (!response.ok && !said.answers) throw new Error(said.detail || `The server answered ${response.status}.`);
  return said;
}

function openDoor(problem) {
  find("door").hidden = false;
  find("drop").hidden = true;
  find("door-problem").textContent = problem;
  find("token").focus();
}

find("door").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = find("token").value.trim();
  find("token").value = "";
  if (await meet()) {
    sessionStorage.setItem("darkroom-token", token);
    find("door").hidden = true;
    find("drop").hidden = false;
    for (const item of items) if (item.state === "locked") item.state = "waiting";
    sendNext();
  }
});

async function meet() {
  const asking = ++nKnocking;
  try {
    const found = await ask("/model");
    if (asking !== nKnocking) return false;
    model = found;
  } catch (error) {
    if (!error.isDoor) tell(error.message, { isProblem: true });
    find("model").textContent = error.isDoor ? "It answers those who have its token." : "";
    return false;
  }
  find("model").textContent = model.title;
  const card = model.card || {};
  find("use").textContent = card.intended_use || "";
  const limits = [].concat(card.out_of_scope || []);
  find("limits").replaceChildren(...limits.map((one) => makeLine(String(one))));
  find("not-for").hidden = !limits.length;
  find("about").hidden = !card.intended_use;
  return true;
}

// ---- taking images

function add(files) {
  const kept = files.filter(({ file, name }) => file.size && !/(^|\/)(\.|__MACOSX)/.test(name));
  for (const { file, name } of kept) {
    const item = { file, name, state: "waiting", answer: null, label: "", tries: 0 };
    items.push(item);
    find("list").append(makeCard(item));
  }
  const nLeftOut = files.length - kept.length;
  if (nLeftOut) tell(`${count(nLeftOut, "file")} left out: hidden or empty.`);
  summarise();
  sendNext();
}

const named = (file) => ({ file, name: file.webkitRelativePath || file.name });

async function listEntry(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    return [{ file, name: entry.fullPath.replace(/^\/+/, "") }];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) break;
    found.push(...some);
  }
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  return (await Promise.all(found.map(listEntry))).flat();
}

async function take(transfer) {
  const entries = [...transfer.items].map((one) => one.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files].map(named);
  if (!entries.some((one) => one.isDirectory)) return files;
  return (await Promise.all(entries.map(listEntry))).flat();
}

find("files").addEventListener("change", (event) => {
  add([...event.target.files].map(named));
  event.target.value = ""; // so that the same file can be chosen again
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  find("drop").classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) find("drop").classList.remove("over");
});
addEventListener("drop", async (event) => {
  event.preventDefault();
  find("drop").classList.remove("over");
  if (find("drop").hidden) return;
  const files = await take(event.dataTransfer).catch(() => []);
  if (files.length) add(files);
  else tell("What was dropped holds no file.", { isProblem: true });
});
addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (!files.length || find("drop").hidden) return;
  event.preventDefault();
  // A browser calls every pasted picture alike, and a correction finds its image by the name.
  add(files.map((file) => {
    const dot = file.name.lastIndexOf(".");
    return { file, name: `pasted-${++nPasted}${dot < 0 ? "" : file.name.slice(dot)}` };
  }));
});

// ---- sending them

function sendNext() {
  for (const item of items) {
    if (nSending >= AT_ONCE) break;
    if (item.state === "waiting") send(item);
  }
}

async function send(item) {
  item.state = "sending";
  nSending++;
  try {
    if (item.file.size > model.max_bytes - 2000) {
      throw new Error(`It has ${megabytes(item.file.size)}, and the server takes ${megabytes(model.max_bytes)}.`);
    }
    const form = new FormData();
    form.append("images", item.file, item.name.split("/").pop());
    const said = await ask("/predict", { method: "POST", body: form });
    item.answer = said.answers[0];
    item.model = said.model;
    item.state = item.answer.reason ? "refused" : item.answer.review ? "review" : "answered";
    item.why = item.answer.reason || "";
    if (said.model.version !== model.version) meet(); // another version answers by now
  } catch (error) {
    if (error.isDoor) {
      item.state = "locked";
    } else if (error.retry_s && ++item.tries < MAX_TRIES) {
      await new Promise((done) => setTimeout(done, 1000 * error.retry_s));
      item.state = "waiting";
    } else {
      item.state = "refused";
      item.why = error.message;
    }
  }
  nSending--;
  if (items.includes(item)) {
    fill(item);
    summarise();
  }
  sendNext();
}

// ---- showing answers

function makeCard(item) {
  item.card = find("card").content.firstElementChild.cloneNode(true);
  const card = item.card, part = (name) => card.querySelector(name), image = part("img");
  const number = `item-${items.length}`;
  part("h2").textContent = item.name;
  part("h2").id = number;
  card.setAttribute("aria-labelledby", number);
  item.url = URL.createObjectURL(item.file);
  image.src = item.url;
  image.addEventListener("load", () => {
    card.classList.toggle("broad", image.naturalWidth > BROAD * image.naturalHeight);
  });
  image.addEventListener("error", () => {
    part(".thumb").classList.add("none");
    part(".thumb span").textContent = `${kind(item.name)}: no preview`;
  });
  part("select").setAttribute("aria-label", `Right class of ${item.name}`);
  part("select").addEventListener("change", (event) => {
    item.label = event.target.value;
    card.classList.toggle("corrected", Boolean(item.label));
    summarise();
  });
  part(".look").setAttribute("aria-label", `What it looked at in ${item.name}`);
  part(".look").addEventListener("click", () => explain(item));
  card.classList.add("waiting");
  return card;
}

function fill(item) {
  const { card, answer, state } = item, part = (name) => card.querySelector(name);
  card.classList.remove("waiting");
  if (state === "waiting" || state === "locked" || state === "sending") {
    card.classList.add("waiting");
    part(".answer").textContent = state === "locked" ? "Waiting for the token…" : "Waiting: the server is busy…";
    return;
  }
  card.classList.add(state);
  if (state === "refused") {
    part(".answer").textContent = "No answer";
    const why = item.why.replace(/^[a-z_]+: /, ""); // without the word for machines
    part(".why").textContent = why[0].toUpperCase() + why.slice(1);
    return;
  }
  part(".answer").textContent = state === "review" ? `Review: ${answer.class}?` : answer.class;
  part(".why").textContent = state === "review" ? "The model is not sure enough. A person should look." : "";
  const shares = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const [first, rest] = [shares.slice(0, SHOWN), shares.slice(SHOWN)];
  part(".told > .shares").replaceChildren(...first.map(makeShare));
  part(".rest").hidden = !rest.length;
  part(".rest summary").textContent = `${count(rest.length, "more class", "more classes")}`;
  part(".rest").addEventListener("toggle", () => part(".rest .shares").replaceChildren(...rest.map(makeShare)), {
    once: true,
  });
  part("select").replaceChildren(new Option("as answered", ""), ...model.classes.map((one) => new Option(one, one)));
  part(".tools").hidden = false;
}

function makeShare([name, share]) {
  const row = make("li"), bar = make("i");
  bar.style.setProperty("--part", `${100 * share}%`);
  row.append(bar, make("span", name), make("span", percent(share)));
  return row;
}

function summarise() {
  const n = (state) => items.filter((one) => one.state === state).length;
  const nDone = n("answered") + n("review") + n("refused");
  const nOther = items.filter((one) => one.why?.startsWith("not_an_image")).length, labels = items.filter((one) => one.label).length;
  find("results").hidden = !items.length;
  const parts = [count(items.length - nOther, "image")];
  if (n("review")) parts.push(`${n("review")} to review`);
  if (n("refused") > nOther) parts.push(`${n("refused") - nOther} without an answer`);
  if (nOther) parts.push(nOther === 1 ? "1 file that is no image" : `${count(nOther, "file")} that are no images`);
  if (nDone < items.length) parts.push(`${items.length - nDone} waiting`);
  find("summary").textContent = parts.join(", ");
  find("save-labels").disabled = !labels;
  find("save-labels").textContent = labels ? `Download ${count(labels, "correction")} (CSV)` : "Download corrections (CSV)";
  find("hint").hidden = !labels;
  find("save-answers").disabled = !nDone;
  filter();
  if (items.length && nDone === items.length) {
    const [only] = items.length === 1 ? items : [];
    const answer = only && `${only.name}: ${only.card.querySelector(".answer").textContent}`;
    tell(answer || `Done: ${parts.join(", ")}.`, { isSeen: false });
  }
}

function filter() {
  for (const item of items) item.card.hidden = find("only").checked && item.state === "answered" && !item.label;
}
find("only").addEventListener("change", filter);

// What was done stands above the list already, so it is only read aloud.
function tell(words, { isProblem = false, isSeen = true } = {}) {
  find("status").textContent = words;
  find("status").classList.toggle("problem", isProblem);
  find("status").classList.toggle("aloud", !isSeen);
}

// ---- what it looked at

async function explain(item) {
  const { card } = item, figure = card.querySelector("figure"), button = card.querySelector(".look");
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  figure.hidden = isOpen;
  if (isOpen || item.heat) return;
  const caption = figure.querySelector("figcaption"), canvas = figure.querySelector("canvas");
  canvas.hidden = true;
  caption.textContent = "Asking the model…";
  const form = new FormData();
  form.append("images", item.file, "image");
  try {
    item.heat = await ask("/explain", { method: "POST", body: form });
    await draw(canvas, item.heat);
    canvas.hidden = false;
    const words = `Orange is what spoke for ${item.heat.class}.`;
    canvas.setAttribute("aria-label", `${item.name} as the model saw it. ${words}`);
    caption.textContent = `${words} On a border or on paper instead of on the thing itself, it hints at a shortcut.`;
  } catch (error) {
    item.heat = null;
    caption.textContent = error.message;
  }
}

async function draw(canvas, { heat, picture }) {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const scale = Math.max(1, Math.round(320 / image.width));
  [canvas.width, canvas.height] = [image.width * scale, image.height * scale];
  const pen = canvas.getContext("2d");
  pen.filter = "grayscale(1)";
  pen.imageSmoothingEnabled = image.width > 64;
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const glow = Object.assign(document.createElement("canvas"), { width: heat[0].length, height: heat.length });
  const points = new ImageData(glow.width, glow.height);
  heat.flat().forEach((value, at) => points.data.set([...ORANGE, 255 * OPACITY * value], 4 * at));
  glow.getContext("2d").putImageData(points, 0, 0);
  pen.filter = "none";
  pen.imageSmoothingEnabled = true;
  pen.drawImage(glow, 0, 0, canvas.width, canvas.height);
}

// ---- tables

// A cell that a spreadsheet would run has an apostrophe in front, which Darkroom takes away again.
function cell(value) {
  const text = String(value ?? ""), safe = /^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(name, rows) {
  const text = rows.map((row) => row.map(cell).join(",") + "\n").join("");
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const stamp = () => new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
const versionOf = (item) => (item.model ? `${item.model.name}${item.model.version ? `/${item.model.version}` : ""}` : "");

find("save-answers").addEventListener("click", () => {
  const done = items.filter((one) => one.answer || one.why);
  const head = ["file", "reason", "answer", "class", "probability", "model", "corrected_to"];
  const rows = done.map((one) => {
    const { answer, class: best, probability, probabilities } = one.answer || {};
    const each = model.classes.map((name) => probabilities?.[name]?.toFixed(6));
    return [one.name, one.why, answer, best, probability?.toFixed(6), versionOf(one), one.label, ...each];
  });
  save(`answers-${stamp()}.csv`, [[...head, ...model.classes.map((name) => `p(${name})`)], ...rows]);
});
find("save-labels").addEventListener("click", () => {
  const corrected = items.filter((one) => one.label);
  for (const item of corrected) item.saved = item.label;
  const rows = corrected.map((one) => [
    one.name, one.label, one.answer.answer, one.answer.probability.toFixed(6), versionOf(one),
  ]);
  save(`corrections-${stamp()}.csv`, [["path", "label", "answer", "probability", "model"], ...rows]);
});
find("clear").addEventListener("click", () => {
  const nLost = items.filter((one) => one.label).length;
  if (nLost && !confirm(`Clear the list, and ${count(nLost, "correction")} with it?`)) return;
  for (const item of items) URL.revokeObjectURL(item.url);
  items.length = 0;
  find("list").replaceChildren();
  summarise();
  tell("The list is empty.", { isSeen: false });
  find("files").focus();
});
addEventListener("beforeunload", (event) => {
  if (items.some((one) => one.label && one.label !== one.saved)) event.preventDefault();
});

// ---- words

function make(name, text = "") {
  return Object.assign(document.createElement(name), { textContent: text });
}
// A line of a list; what stands between backticks is code.
function makeLine(text) {
  const line = make("li");
  line.append(...text.split("`").map((part, at) => (at % 2 ? make("code", part) : part)));
  return line;
}
const count = (n, thing, things = `${thing}s`) => `${n.toLocaleString("en")} ${n === 1 ? thing : things}`;
function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  if (share > 0.9995 && share < 1) return "> 99.9 %";
  return `${(100 * share).toFixed(share < 0.1 || share > 0.99 ? 1 : 0)} %`;
}
const megabytes = (n) => `${(n / 2 ** 20).toFixed(1)} MB`;
const kind = (name) => (name.includes(".") ? name.split(".").pop().toUpperCase().slice(0, 5) : "file");

meet();
