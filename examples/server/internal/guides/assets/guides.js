// All pages work without this script. With it, code can be copied, recipes are found while you type, "/" leads to the
// search, and the table of contents shows where you are.
"use strict";

// Links to calls were made to /docs when the API reference was there.
if (location.hash.startsWith("#/") && document.querySelector(".first")) {
  location.replace(document.querySelector("nav.guides a[href$=api]").href + location.hash);
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll(".code button")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.closest(".code").querySelector("code").textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  document.getElementById("q").focus();
});

// If the page has only some recipes, the server searches, so that all are found.
const recipe = document.getElementById("recipe");
if (recipe && !recipe.value) {
  const rows = [...document.querySelectorAll("tr[data-words]")];
  const count = document.querySelector(".count");
  recipe.addEventListener("input", () => {
    const words = recipe.value.toLowerCase().split(/\s+/);
    let found = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
      if (!row.hidden) found++;
    }
    count.textContent = found + " of " + rows.length + " recipes";
  });
}

const entries = new Map();
for (const link of document.querySelectorAll("aside.contents a")) {
  const heading = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (heading) entries.set(heading, link);
}
function showPlace() {
  let current = null;
  for (const [heading, link] of entries) {
    if (heading.getBoundingClientRect().top < 120) current = link;
    link.removeAttribute("aria-current");
  }
  if (!current) return;
  current.setAttribute("aria-current", "true");
  const list = document.querySelector("aside.contents nav");
  const top = current.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 40) list.scrollTop = top - 80;
}
if (entries.size) {
  let waiting = false;
  document.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; showPlace(); });
  }, { passive: true });
  showPlace();
}
