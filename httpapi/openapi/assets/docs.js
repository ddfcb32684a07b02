"use strict";
// The server may be mounted under a prefix, which this script's address begins with.
const contract = new URL("../api/openapi.yaml", document.currentScript.src).href;
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
window.addEventListener("load", () => {
  const address = location.hash;
  const ui = SwaggerUIBundle({
    url: contract, dom_id: "#docs", deepLinking: true, validatorUrl: null, docExpansion: "list",
    // Swagger UI opens no call whose name has a slash, as those of the contract have.
    onComplete: () => {
      const call = address.match(/^#\/([^/]+)\/([^/]+)$/);
      if (!call) return;
      const place = ["operations", decodeURIComponent(call[1]), decodeURIComponent(call[2])];
      ui.layoutActions.show(place, true);
      ui.layoutActions.scrollTo(place);
    },
  });
});
