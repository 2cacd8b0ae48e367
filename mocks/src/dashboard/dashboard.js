// The dashboard of callotp-mock: the journal as it grows, and the questions about it.
// Everything that came over the wire enters the page as text, never as markup.

const SHOWN = 300;
const $ = (id) => document.getElementById(id);
const state = { calls: new Map(), rows: new Map(), world: null, chosen: null, view: "inbox" };

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  const type = answer.headers.get("content-type") || "";
  const body = type.includes("json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return body;
}

const post = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });

function announce(text) {
  $("announce").textContent = text;
}

async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser did not allow it";
  }
  announce(button.textContent);
  setTimeout(() => { button.textContent = label; }, 1500);
}

// ---- views -------------------------------------------------------------------------------

const VIEWS = ["inbox", "readiness", "faults"];

function route() {
  const [view, id] = location.hash.slice(1).split("/");
  state.view = VIEWS.includes(view) ? view : "inbox";
  for (const name of VIEWS) $(name).hidden = name !== state.view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (state.view === "inbox" && id) choose(id, false);
  refresh();
}

function refresh() {
  if (!state.world) return;
  if (state.view === "readiness") readiness().catch(lost);
  if (state.view === "faults") rules().catch(lost);
}

const tenant = () => $("tenant").value || state.world.tenants[0];

// ---- inbox -------------------------------------------------------------------------------

const time = (at) => new Date(at).toLocaleTimeString([], { hour12: false });

const number = (call) => call.masked_number ?? "–";

function answerWords(call) {
  const { status, fault } = call.response;
  const gone = call.closed_by_client_after_ms;
  const parts = [];
  if (status !== null) parts.push(String(status));
  if (fault && !fault.startsWith(`status ${status}`)) parts.push(fault);
  if (gone !== null) parts.push(`caller left after ${gone} ms`);
  return parts.join(", ") || call.note || "none";
}

function verdictCell(cell, call) {
  const words = call.verdict === "pass" ? "passes" : "fails";
  const event = call.event === "call" ? words : `${call.event}: ${words}`;
  cell.append(element("span", event, `tag ${call.verdict}`));
  if (call.findings.length) {
    cell.append(element("span", call.findings.map((one) => one.clause).join(", "), "why"));
  }
}

function fillRow(row, call) {
  row.replaceChildren();
  const cell = (label, content, className) => {
    const made = element("td", undefined, className);
    made.dataset.label = label;
    if (content !== undefined) made.append(content);
    row.append(made);
    return made;
  };
  const button = element("button", time(call.at));
  button.type = "button";
  button.setAttribute("aria-label", `Call ${call.id} at ${time(call.at)}, ${call.verdict}`);
  cell("Time", button);
  cell("Tenant", call.tenant || "–");
  cell("Number", number(call), /\d{4}/.test(number(call)) ? "phone" : "");
  verdictCell(cell("Verdict", undefined, "wide"), call);
  cell("Answer", answerWords(call));
  cell("Took", `${call.duration_ms} ms`, "num");
  row.hidden = !matches(call);
  row.toggleAttribute("data-chosen", call.id === state.chosen);
}

function matches(call) {
  const wanted = $("tenant").value;
  const verdict = $("verdict").value;
  const text = $("text").value.trim().toLowerCase();
  if (wanted && call.tenant !== wanted) return false;
  if (verdict && call.verdict !== verdict) return false;
  if (!text) return true;
  const clauses = call.findings.map((one) => one.clause).join(" ");
  const all = [call.id, call.tenant, call.number, call.masked_number, call.system, call.event, clauses, answerWords(call), call.request.method, call.request.path];
  return all.join(" ").toLowerCase().includes(text);
}

function enter(call, isNew) {
  state.calls.set(call.id, call);
  let row = state.rows.get(call.id);
  if (!row) {
    row = element("tr");
    row.dataset.id = call.id;
    if (isNew) row.classList.add("new");
    state.rows.set(call.id, row);
    $("calls").tBodies[0].prepend(row);
    forgetOldest();
    if (isNew) announce(`Call ${call.id}: ${call.verdict}`);
  }
  // A row that has the keyboard keeps it.
  const had = row.contains(document.activeElement);
  fillRow(row, call);
  if (had) row.querySelector("button").focus();
  if (call.id === state.chosen) show(call);
}

function forgetOldest() {
  const body = $("calls").tBodies[0];
  while (body.rows.length > SHOWN) {
    const oldest = body.rows[body.rows.length - 1];
    state.rows.delete(oldest.dataset.id);
    state.calls.delete(oldest.dataset.id);
    oldest.remove();
  }
}

function tally() {
  const rows = [...$("calls").tBodies[0].rows];
  const shown = rows.filter((row) => !row.hidden).length;
  const all = rows.length;
  $("count").textContent = all ? (shown === all ? `${all} calls` : `${shown} of ${all} calls`) : "";
  $("calls").hidden = all === 0;
  $("nothing").hidden = all !== 0;
  $("older").textContent = all >= SHOWN ? `The newest ${SHOWN} are shown; GET /calls has them all.` : "";
}

let tallying = false;
function tallySoon() {
  if (tallying) return;
  tallying = true;
  requestAnimationFrame(() => { tallying = false; tally(); });
}

function filter() {
  for (const [id, row] of state.rows) row.hidden = !matches(state.calls.get(id));
  tally();
}

async function load() {
  const calls = await ask("/calls");
  $("calls").tBodies[0].replaceChildren();
  state.rows.clear();
  state.calls.clear();
  for (const call of calls.slice(-SHOWN)) enter(call, false);
  if (state.chosen && !state.calls.has(state.chosen)) forgetChosen();
  tally();
}

// ---- one call ----------------------------------------------------------------------------

function choose(id, focus) {
  const call = state.calls.get(id);
  if (!call) return;
  const before = state.rows.get(state.chosen);
  if (before) before.removeAttribute("data-chosen");
  state.chosen = id;
  state.rows.get(id).setAttribute("data-chosen", "");
  $("digits").value = "";
  $("heard-says").textContent = "";
  delete $("heard-says").dataset.verdict;
  show(call);
  history.replaceState(null, "", `#inbox/${id}`);
  if (focus) $("call-title").focus();
}

function forgetChosen() {
  state.chosen = null;
  $("call-title").textContent = "Call";
  $("call-empty").hidden = false;
  $("call-body").hidden = true;
  $("copy-curl").hidden = true;
}

function show(call) {
  $("call-title").textContent = `Call ${call.id}`;
  $("call-empty").hidden = true;
  $("call-body").hidden = false;
  $("copy-curl").hidden = !call.request.method;
  const system = call.system === "unknown" ? "a system that does not say what it is" : call.system;
  $("call-line").textContent = call.note || `${call.request.method} ${call.request.path} from ${system}`;
  const findings = call.findings.map((one) => {
    const item = element("li");
    item.append(element("code", one.clause), ` (${one.level}): ${one.says}`);
    item.append(element("span", one.remedy, "remedy"));
    return item;
  });
  $("findings").replaceChildren(...(findings.length ? findings : [element("li", "Every clause that can be seen in this call is kept.", "none")]));
  $("heard").hidden = call.event !== "call";
  $("received").textContent = call.request.raw + call.request.body;
  const { status, body, fault } = call.response;
  const first = status === null ? "No status line was sent." : `Status ${status}`;
  $("answered").textContent = [first, fault && `Fault: ${fault}`, body].filter(Boolean).join("\n");
  $("timeline").replaceChildren(...timeline(call).map((line) => element("li", line)));
}

function timeline(call) {
  const lines = [`${new Date(call.at).toISOString()}: the request was complete and judged: ${call.verdict}`];
  if (call.closed_by_client_after_ms !== null) lines.push(`after ${call.closed_by_client_after_ms} ms: the caller closed the connection`);
  else if (call.response.status !== null) lines.push(`after ${call.duration_ms} ms: the answer was out`);
  else if (call.duration_ms) lines.push(`after ${call.duration_ms} ms: the connection was ended`);
  if (call.heard !== null) lines.push(call.heard ? `heard: ${call.heard}` : "heard: nothing");
  return lines;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(call) {
  const parts = ["curl", "-i", "-X", call.request.method, quoted(state.world.url + call.request.path)];
  const skipped = ["host", "content-length", "transfer-encoding", "connection", "expect"];
  for (const { name, value } of call.request.headers) {
    if (!skipped.includes(name.toLowerCase())) parts.push("-H", quoted(`${name}: ${value}`));
  }
  if (call.request.body) parts.push("--data-raw", quoted(call.request.body));
  return parts.join(" ");
}

async function heard(event) {
  event.preventDefault();
  const says = $("heard-says");
  try {
    const call = await post(`/calls/${state.chosen}/heard`, { digits: $("digits").value });
    const speech = call.findings.filter((one) => /caller\.(checks|speaks)/.test(one.clause));
    says.dataset.verdict = speech.length ? "fail" : "pass";
    says.textContent = speech.length ? speech.map((one) => `${one.says}. ${one.remedy}`).join(" ") : call.heard ? "Those are the digits that were issued." : "Nothing was to be spoken, and nothing was.";
    enter(call, false);
  } catch (error) {
    says.dataset.verdict = "fail";
    says.textContent = error.message;
  }
}

// ---- readiness ---------------------------------------------------------------------------

async function readiness() {
  const told = await ask(`/readiness/${encodeURIComponent(tenant())}`);
  const { right, wrong, not_yet } = told.summary;
  $("readiness-sum").textContent = `${tenant()}: ${right} seen and right, ${wrong} seen and wrong, ${not_yet} not yet`;
  const next = $("dial-next");
  next.replaceChildren();
  if (told.next) next.append("Dial next: ", element("span", told.next.dial, "dial"), ` (${told.next.behaviour})`);
  else next.textContent = "Nothing is left to dial.";
  const rows = told.behaviours.map((one) => {
    const row = element("tr");
    const cell = (label, content, className) => {
      const made = element("td", undefined, className);
      made.dataset.label = label;
      made.append(content);
      row.append(made);
    };
    cell("Behaviour", one.title, "wide");
    cell("State", element("span", one.state, `tag ${one.state.replaceAll(" ", "-")}`));
    cell("Dial", element("span", one.dial || "–", "dial"));
    const note = element("span", one.note || "–");
    if (one.call && state.calls.has(one.call)) {
      const link = element("a", one.call);
      link.href = `#inbox/${one.call}`;
      note.append(" ", link);
    }
    cell("Note", note, "wide");
    return row;
  });
  $("checklist").tBodies[0].replaceChildren(...rows);
  for (const kind of ["html", "json"]) {
    const link = $(`evidence-${kind}`);
    link.href = `/evidence/${encodeURIComponent(tenant())}.${kind}`;
    link.download = `callotp-evidence-${tenant()}.${kind}`;
  }
}

let soon = null;
function refreshSoon() {
  if (soon || state.view === "inbox") return;
  soon = setTimeout(() => { soon = null; refresh(); }, 300);
}

// ---- faults ------------------------------------------------------------------------------

const KINDS = {
  "delay": [["after", "After", "3s"]],
  "first-byte": [["after", "After", "3s"]],
  "dribble": [["every", "Every", "200ms"]],
  "reset": [["at", "Where", ["before", "headers", "body"]], ["after_bytes", "After bytes", "9"]],
  "fin": [["at", "Where", ["before", "headers", "body"]], ["after_bytes", "After bytes", "9"]],
  "empty": [],
  "garbage": [],
  "bad-chunk": [],
  "short-length": [],
  "status": [["status", "Status", "503"], ["body", "Body", ""]],
  "body": [["body", "Body", "{}"], ["status", "Status", "200"]],
  "redirect": [["status", "Status", "302"], ["to", "To", "/elsewhere"]],
  "tls": [["certificate", "Certificate", ["wrong-name", "expired", "untrusted"]]],
  "refuse-connect": [["after", "For", "1s"]],
};
const NUMBERS = ["after_bytes", "status"];

function details() {
  const fields = KINDS[$("kind").value].map(([key, label, value]) => {
    const made = element("label", label);
    const field = element(Array.isArray(value) ? "select" : "input");
    if (Array.isArray(value)) for (const one of value) field.append(element("option", one));
    else field.value = value;
    field.name = key;
    field.size = Array.isArray(value) ? 1 : 10;
    made.append(field);
    return made;
  });
  $("details").replaceChildren(...fields);
}

async function setNext(event) {
  event.preventDefault();
  const fault = { kind: $("kind").value };
  for (const field of $("details").querySelectorAll("input, select")) {
    if (field.value === "") continue;
    fault[field.name] = NUMBERS.includes(field.name) ? Number(field.value) : field.value;
  }
  if (fault.at === "before") delete fault.after_bytes;
  const says = $("waiting");
  try {
    const told = await post(`/tenants/${encodeURIComponent(tenant())}/next`, fault);
    await rules();
    announce(`The next call of ${tenant()}: ${told.fault}`);
    if (!told.next.length) says.textContent = `${told.fault}: for the next connection.`;
  } catch (error) {
    says.textContent = error.message;
  }
}

async function rules() {
  const told = await ask(`/tenants/${encodeURIComponent(tenant())}/rules`);
  $("faults-title").textContent = `Faults of ${tenant()}`;
  $("waiting").textContent = told.next.length ? `Waiting for calls: ${told.next.join(", then ")}.` : "No fault waits for the next call.";
  const rows = told.rules.map((rule) => {
    const row = element("tr");
    for (const [label, text, className] of [["When", rule.when, "wide"], ["Fault", rule.fault, ""], ["Hits", rule.hits, "num"]]) {
      const cell = element("td", text, className);
      cell.dataset.label = label;
      row.append(cell);
    }
    return row;
  });
  $("rules").tBodies[0].replaceChildren(...rows);
  $("rules").hidden = rows.length === 0;
  $("no-rules").hidden = rows.length !== 0;
}

async function reset() {
  try {
    await post(`/tenants/${encodeURIComponent(tenant())}/reset`);
    $("reset-says").textContent = `${tenant()} is as it was at the start.`;
    await load();
    await rules();
  } catch (error) {
    $("reset-says").textContent = error.message;
  }
}

// ---- live --------------------------------------------------------------------------------

function lost() {
  $("live").dataset.state = "lost";
  $("live").textContent = "the mock is not reachable";
}

function listen() {
  const events = new EventSource("/events");
  let opened = false;
  events.addEventListener("open", () => {
    $("live").dataset.state = "live";
    $("live").textContent = "live";
    // After a break some calls may have come and the mock may be another one.
    if (opened) start().catch(lost);
    opened = true;
  });
  events.addEventListener("call", (event) => {
    enter(JSON.parse(event.data), true);
    tallySoon();
    refreshSoon();
  });
  events.addEventListener("missed", () => load().catch(lost));
  events.addEventListener("error", lost);
}

async function start() {
  state.world = await ask("/world");
  const chosen = $("tenant").value;
  const options = [["", "all"], ...state.world.tenants.map((name) => [name, name])].map(([value, text]) => {
    const option = element("option", text);
    option.value = value;
    return option;
  });
  $("tenant").replaceChildren(...options);
  $("tenant").value = state.world.tenants.includes(chosen) ? chosen : "";
  $("try").textContent = state.world.try;
  await load();
  route();
}

$("filter").addEventListener("submit", (event) => event.preventDefault());
$("text").addEventListener("input", filter);
$("verdict").addEventListener("change", filter);
$("tenant").addEventListener("change", () => { filter(); refresh(); });
$("calls").addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (row) choose(row.dataset.id, true);
});
$("copy-try").addEventListener("click", (event) => copy(state.world.try, event.target));
$("copy-curl").addEventListener("click", (event) => copy(curl(state.calls.get(state.chosen)), event.target));
$("heard").addEventListener("submit", heard);
$("kind").append(...Object.keys(KINDS).map((kind) => element("option", kind)));
$("kind").value = "status";
$("kind").addEventListener("change", details);
$("next").addEventListener("submit", setNext);
$("reset").addEventListener("click", reset);
addEventListener("hashchange", route);
details();
route();
start().then(listen, () => { lost(); setTimeout(() => location.reload(), 2000); });
