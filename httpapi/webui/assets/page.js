// All pages work without this script. With it, times are local, addresses can be copied, the table is searched while
// you type, files can be dropped, rows can be added to forms, and forms show the fields that they need.
"use strict";

document.documentElement.classList.add("scripted");

function localTimes(root) {
  for (const t of root.querySelectorAll("time[datetime]")) {
    const at = new Date(t.dateTime);
    if (isNaN(at)) continue;
    if (t.dateTime.length === 10) continue; // a day without a time
    const two = (n) => String(n).padStart(2, "0");
    const day = at.getFullYear() + "-" + two(at.getMonth() + 1) + "-" + two(at.getDate());
    t.textContent = t.closest("table.titles") ? day : day + " " + two(at.getHours()) + ":" + two(at.getMinutes());
  }
}
localTimes(document);

function copies(button) {
  if (!navigator.clipboard) return;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
for (const box of document.querySelectorAll(".copied")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.hidden = true;
  button.dataset.copy = box.querySelector("code").textContent;
  box.append(button);
}
for (const button of document.querySelectorAll("button.copy")) copies(button);

// A menu closes by Escape and by a click elsewhere.
for (const menu of document.querySelectorAll("details.menu")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
}

const search = document.getElementById("search");
if (search) {
  let waiting, asked = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = ++asked;
      const address = search.action + "?" + new URLSearchParams(new FormData(search));
      const answer = await fetch(address, { headers: { Accept: "text/html" } }).catch(() => null);
      if (!answer || !answer.ok || mine !== asked) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const results = page.getElementById("results");
      localTimes(results);
      selectsAll(results);
      document.getElementById("results").replaceWith(results);
      history.replaceState(null, "", address);
    }, 150);
  });
}

// One checkbox selects all others with a name. The table is replaced while a search is typed.
function selectsAll(root) {
  for (const all of root.querySelectorAll("[data-all]")) {
    all.hidden = false;
    all.addEventListener("change", () => {
      for (const one of document.getElementsByName(all.dataset.all)) one.checked = all.checked;
    });
  }
}
selectsAll(document);

for (const drop of document.querySelectorAll(".drop")) {
  const input = drop.querySelector("input[type=file]");
  const over = (on) => (event) => { event.preventDefault(); drop.classList.toggle("over", on); };
  drop.addEventListener("dragover", over(true));
  drop.addEventListener("dragleave", over(false));
  drop.addEventListener("drop", (event) => {
    over(false)(event);
    const files = new DataTransfer();
    for (const file of event.dataTransfer.files) if (input.multiple || files.items.length === 0) files.items.add(file);
    input.files = files.files;
  });
}

for (const rows of document.querySelectorAll("[data-rows]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "Add a row";
  button.addEventListener("click", () => {
    const row = rows.lastElementChild.cloneNode(true);
    for (const input of row.querySelectorAll("input")) input.value = "";
    for (const fault of row.querySelectorAll(".fault")) fault.remove();
    rows.append(row);
    row.querySelector("input").focus();
  });
  rows.after(button);
}

// A criterion offers the operators that Jamf Pro has for its name. One that was chosen stays.
function offerOperators(name) {
  const select = name.closest(".row") && name.closest(".row").querySelector("select[name$=_operator]");
  const fact = [...document.querySelectorAll("#facts option")].find((o) => o.value === name.value.trim());
  if (!select) return;
  const fitting = fact && fact.dataset.operators.split("|");
  for (const option of select.options) option.hidden = !!fitting && !option.selected && !fitting.includes(option.value);
}
for (const rows of document.querySelectorAll("[data-rows]")) {
  rows.addEventListener("input", (event) => { if (event.target.matches("input[name$=_name]")) offerOperators(event.target); });
  for (const name of rows.querySelectorAll("input[name$=_name]")) offerOperators(name);
}

// Versions are dragged into another order.
for (const list of document.querySelectorAll("[data-sortable]")) {
  const form = list.closest("form");
  let dragged = null;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("tr");
    event.dataTransfer.effectAllowed = "move";
  });
  list.addEventListener("dragover", (event) => {
    const row = event.target.closest("tr");
    if (!dragged || !row || row === dragged) return;
    event.preventDefault();
    const after = event.clientY > row.getBoundingClientRect().top + row.offsetHeight / 2;
    row[after ? "after" : "before"](dragged);
    form.elements.order.value = Array.from(list.rows, (r) => r.dataset.index).join(" ");
    form.querySelector("[data-order]").hidden = false;
    form.dispatchEvent(new Event("input"));
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", () => { dragged = null; });
}

// An application that is dropped is a folder: only its name and its Info.plist are used.
for (const drop of document.querySelectorAll("[data-app]")) {
  drop.addEventListener("drop", (event) => {
    const entry = event.dataTransfer.items[0] && event.dataTransfer.items[0].webkitGetAsEntry();
    if (!entry || !entry.isDirectory) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    drop.classList.remove("over");
    document.getElementById("app").value = entry.name;
    entry.getFile("Contents/Info.plist", {}, (found) => found.file((file) => {
      const files = new DataTransfer();
      files.items.add(file);
      drop.querySelector("input[type=file]").files = files.files;
    }), () => alert("The folder has no Contents/Info.plist: drop an application."));
  }, true);
}

// Values that are the version that the form began with become the new version while it is typed, until they are edited.
function follows(field, base, list) {
  const inputs = [];
  for (const flag of document.getElementsByName(list + "_follows")) {
    const input = flag.closest(".row").querySelector("input[name$=_value]");
    if (flag.value === "" || input.value !== base) continue;
    inputs.push({ flag, input });
    input.addEventListener("input", () => { flag.value = ""; });
  }
  const update = () => {
    for (const { flag, input } of inputs) if (flag.value !== "") input.value = field.value.trim() || base;
  };
  field.addEventListener("input", update);
  update();
}
const form = document.getElementById("version-form");
if (form) {
  follows(document.getElementById("version"), form.dataset.base, "criterion");
  follows(document.getElementById("os"), form.dataset.baseOs, "capability");
}

// The form for a release feed shows the fields of the chosen kind. A kind that the form does not know has all fields.
const kind = document.getElementById("kind");
if (kind) {
  const update = () => {
    const other = kind.value !== "" && kind.selectedOptions[0].dataset.known === undefined;
    for (const part of kind.form.querySelectorAll("[data-kinds]")) part.hidden = !other && !part.dataset.kinds.split(" ").includes(kind.value);
    for (const group of kind.form.querySelectorAll("[data-group]")) group.hidden = group.querySelector(".columns > :not([hidden])") === null;
  };
  kind.addEventListener("change", update);
  update();
}

// A form whose fields have changed asks before the page is left.
for (const guarded of document.querySelectorAll("form[data-guard]")) {
  let changed = document.querySelector(".refusal") !== null; // it was not saved
  guarded.addEventListener("input", () => { changed = true; });
  guarded.addEventListener("submit", () => { changed = false; });
  addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
}

// A form of the editor is checked while it is filled in: failures and warnings are shown beside their fields.
function checkedFields(form) {
  const fields = new Map();
  const add = (key, box, control) => fields.set(key + " " + control.name, { box, control });
  let rows = 0;
  for (const row of form.querySelectorAll(".row, [data-row]")) {
    const controls = [...row.querySelectorAll("input:not([type=hidden]), select, textarea")];
    if (!controls.some((c) => c.tagName !== "SELECT" && c.value.trim() !== "")) continue; // the server ignores it
    for (const control of controls) add(rows, row, control);
    rows++;
  }
  for (const control of form.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!control.closest(".row, [data-row]")) add("", control.parentElement, control);
  }
  return fields;
}
for (const form of document.querySelectorAll("form[data-check]")) {
  let waiting, asked = 0;
  const check = async () => {
    const mine = ++asked;
    const body = new URLSearchParams(new FormData(form));
    body.set("do", "check");
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok || mine !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const theirs = page.querySelector("form[data-check]");
    if (!theirs) return;
    const found = checkedFields(theirs);
    for (const fault of form.querySelectorAll(".fault")) fault.remove();
    const lists = theirs.querySelectorAll("[data-faults]");
    form.querySelectorAll("[data-faults]").forEach((old, i) => { if (lists[i]) old.replaceWith(lists[i]); });
    for (const [key, { box, control }] of checkedFields(form)) {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-describedby");
      const other = found.get(key);
      const fault = other && other.control.hasAttribute("aria-describedby") && page.getElementById(other.control.getAttribute("aria-describedby"));
      if (!fault) continue;
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", fault.id);
      box.append(fault);
    }
    const findings = page.querySelectorAll("[data-findings]");
    document.querySelectorAll("[data-findings]").forEach((old, i) => { if (findings[i]) old.replaceWith(findings[i]); });
  };
  form.addEventListener("change", () => {
    clearTimeout(waiting);
    waiting = setTimeout(check, 400);
  });
}

// A second click does not submit a form again.
for (const sent of document.querySelectorAll("form[method=post]")) {
  sent.addEventListener("submit", (event) => {
    if (sent.classList.contains("busy")) event.preventDefault();
    sent.classList.add("busy");
    setTimeout(() => sent.classList.remove("busy"), 3000); // the visitor may have stopped it
  });
}
addEventListener("pageshow", () => { for (const sent of document.querySelectorAll("form.busy")) sent.classList.remove("busy"); });
