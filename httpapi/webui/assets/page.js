// Everything works without this; with it, times are local, addresses can be copied, and
// the table follows what is typed.
"use strict";

function localTimes(root) {
  for (const t of root.querySelectorAll("time[datetime]")) {
    const at = new Date(t.dateTime);
    if (!isNaN(at)) t.textContent = t.closest("table") ? at.toLocaleDateString() : at.toLocaleString();
  }
}
localTimes(document);

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

const search = document.getElementById("search");
if (search) {
  let waiting, asked = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = ++asked;
      const address = "/?" + new URLSearchParams(new FormData(search));
      const answer = await fetch(address);
      if (!answer.ok || mine !== asked) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const results = page.getElementById("results");
      localTimes(results);
      document.getElementById("results").replaceWith(results);
      history.replaceState(null, "", address);
    }, 150);
  });
}
